"""Speech: each dialect's errors, whole and within a stream, as its own SDK reads them."""

from __future__ import annotations

import json

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_core.wire import Dialect, closing_in, engine_error_in, refusal_in
from logits_core.wire.anthropic import TYPES


@pytest.mark.parametrize("code", list(ErrorCode))
@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_code_is_said_in_every_dialect(code: ErrorCode, dialect: Dialect) -> None:
    status, body = refusal_in(dialect, LogitsError(code, "why and what to do", field="model"), "req_1")
    document = json.loads(body)
    assert 400 <= status < 600
    assert document["error"]["message"] == "why and what to do"
    if dialect is Dialect.ANTHROPIC:
        assert document["type"] == "error"
        assert document["request_id"] == "req_1"
        assert document["error"]["type"] in TYPES.values()
    else:
        assert document["error"].keys() == {"message", "type", "param", "code"}
        assert document["error"]["param"] == "model"


def test_a_stream_ends_with_one_error_and_its_dialects_end() -> None:
    error = LogitsError(ErrorCode.UPSTREAM_FAILED, "broke")
    openai = closing_in(Dialect.OPENAI, refusal_in(Dialect.OPENAI, error)[1]).decode()
    first, last, nothing = openai.split("\n\n")
    assert json.loads(first.removeprefix("data: "))["error"]["message"] == "broke"
    assert (last, nothing) == ("data: [DONE]", "")
    for dialect in (Dialect.ANTHROPIC, Dialect.RESPONSES):
        closing = closing_in(dialect, refusal_in(dialect, error)[1]).decode()
        assert closing.startswith("event: error\ndata: {")
        assert closing.count("\n\n") == 1
        document = json.loads(closing.partition("data: ")[2])
        assert document["type"] == "error"
        assert document["error"]["message"] == "broke"


def test_an_engines_error_is_said_in_the_callers_dialect() -> None:
    raw = b'{"error":{"message":"3 validation errors","type":"Bad Request","param":"body.model","code":400}}'
    document = json.loads(engine_error_in(Dialect.ANTHROPIC, 400, raw, "req_1"))
    assert document["error"] == {"type": "invalid_request_error", "message": "3 validation errors"}
    assert json.loads(engine_error_in(Dialect.OPENAI, 400, raw))["error"]["code"] is None
