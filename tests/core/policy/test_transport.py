"""Headers that led other proxies astray are refused by name."""

from __future__ import annotations

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.responses import without_content
from logits_core.policy.transport import check_headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"connection", b"Impersonate-User"),
        (b"connection", b"keep-alive, authorization"),
        (b"upgrade", b"websocket"),
        (b"impersonate-user", b"admin"),
        (b"impersonate-extra-a", b"b"),
        (b"x-remote-user", b"admin"),
        (b"proxy-authorization", b"x"),
        (b"expect", b"100-continue"),
        (b"trailer", b"x"),
        (b"content-encoding", b"gzip"),
        (b"x-http-method-override", b"DELETE"),
    ],
)
def test_odd_headers_are_refused_and_named(name: bytes, value: bytes) -> None:
    with pytest.raises(LogitsError) as caught:
        check_headers([(name, value)])
    assert (caught.value.code, caught.value.field) == (ErrorCode.MALFORMED, name.decode())


def test_doubled_headers_are_refused() -> None:
    with pytest.raises(LogitsError) as caught:
        check_headers([(b"authorization", b"a"), (b"authorization", b"a")])
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    with pytest.raises(LogitsError):
        check_headers([(b"content-length", b"1"), (b"content-length", b"2")])
    with pytest.raises(LogitsError):
        check_headers([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")])


def test_ordinary_headers_pass() -> None:
    check_headers([(b"connection", b"keep-alive"), (b"authorization", b"a"), (b"accept", b"*/*")])


def test_answers_about_secrets_tell_nothing() -> None:
    canary = "c2VjcmV0LWNhbmFyeQ=="
    secret = {
        "kind": "Secret",
        "data": {"key": canary},
        "stringData": {"key": canary},
        "metadata": {"name": "logits-a", "annotations": {"last": canary}, "managedFields": [canary]},
    }
    assert canary not in repr(without_content(secret))
    assert without_content(secret)["metadata"] == {"name": "logits-a"}
    status = {"kind": "Status", "message": canary, "reason": "Invalid", "code": 422, "details": {"x": canary}}
    assert canary not in repr(without_content(status))
    assert without_content(status)["code"] == 422
    for odd in (None, [secret], "text"):
        assert canary not in repr(without_content(odd))
