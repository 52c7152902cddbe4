"""Error envelopes: all four members, strings or null, for our refusals and for whatever engines say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import ENVELOPES, envelope_of, normalised


def proper(body: bytes) -> dict[str, Any]:
    """Check the envelope and return its error."""
    document = json.loads(body)
    assert set(document) == {"error"}
    error = document["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    for member in ("param", "code"):
        assert error[member] is None or isinstance(error[member], str)
    return error


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_an_envelope(code: ErrorCode) -> None:
    status, body = envelope_of(LogitsError(code, "What. How.", field="model"))
    assert status == ENVELOPES[code].status
    assert proper(body)["param"] == "model"


@pytest.mark.parametrize(
    ("raw", "message", "code"),
    [
        (
            b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
            "Loading model",
            "model_not_ready",
        ),
        (b'{"error":"plain words"}', "plain words", None),
        (
            b'{"object":"error","message":"old style","type":"BadRequestError","param":null,"code":400}',
            "old style",
            None,
        ),
        (b'{"detail":[{"loc":["body"],"msg":"x"}]}', '[{"loc":["body"],"msg":"x"}]', None),
        (b"<html>oops</html>", "<html>oops</html>", None),
        (b"", "The engine answered 500.", None),
    ],
)
def test_engines_errors_are_put_in_order(raw: bytes, message: str, code: str | None) -> None:
    error = proper(normalised(500, raw))
    assert (error["message"], error["code"]) == (message, code)


@given(
    st.integers(400, 599),
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "param", "detail"]), x)
        ),
    ).map(lambda v: json.dumps(v).encode()),
)
def test_anything_becomes_a_proper_envelope(status: int, raw: bytes) -> None:
    proper(normalised(status, raw))
