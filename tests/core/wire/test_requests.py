"""Request bodies: what routing needs is found, and every fault is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import decode_request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("model"), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(min_size=1), st.booleans(), st.dictionaries(st.text(), JSON), st.booleans())
def test_model_and_stream_are_found_in_any_body(
    model: str, stream: bool, rest: dict[str, object], ascii_only: bool
) -> None:
    body = json.dumps({**rest, "model": model, "stream": stream}, ensure_ascii=ascii_only)
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        return
    try:
        request = decode_request(raw)
    except LogitsError as error:
        assert error.code is ErrorCode.MALFORMED
        assert "surrogate" in error.message.lower() or "\\ud" in body.lower()
        return
    assert (request.model, request.stream) == (model, stream)


@pytest.mark.parametrize(
    ("body", "code", "field", "reason"),
    [
        (b"", ErrorCode.MALFORMED, None, "invalid_json"),
        (b"{", ErrorCode.MALFORMED, None, "invalid_json"),
        (b'{"model":"a"} x', ErrorCode.MALFORMED, None, "invalid_json"),
        (b"\xff\xfe", ErrorCode.MALFORMED, None, "invalid_json"),
        (b"[]", ErrorCode.INVALID, None, "invalid_type"),
        (b"{}", ErrorCode.INVALID, "model", "missing_model"),
        (b'{"model":3}', ErrorCode.INVALID, "model", "invalid_type"),
        (b'{"model":null}', ErrorCode.INVALID, "model", "invalid_type"),
        (b'{"model":""}', ErrorCode.INVALID, "model", "invalid_type"),
        (b'{"model":"a","stream":"yes"}', ErrorCode.INVALID, "stream", "invalid_type"),
        (b'{"model":"a","model":"b"}', ErrorCode.INVALID, "model", "duplicate_model"),
        (b'{"model":"a","mod\\u0065l":"a"}', ErrorCode.INVALID, "model", "duplicate_model"),
    ],
)
def test_faults_are_named(body: bytes, code: ErrorCode, field: str | None, reason: str) -> None:
    with pytest.raises(LogitsError) as caught:
        decode_request(body)
    assert (caught.value.code, caught.value.field, caught.value.reason) == (code, field, reason)


def test_a_model_inside_other_members_is_no_duplicate() -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": 'say {"model": "b"}'}], "x": {"model": "c"}}
    assert decode_request(json.dumps(body).encode()).model == "a"
