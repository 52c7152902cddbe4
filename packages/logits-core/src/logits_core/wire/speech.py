"""How each dialect says that something went wrong, in a whole answer and within a stream."""

from __future__ import annotations

import msgspec

from logits_core.errors import LogitsError
from logits_core.wire.anthropic import anthropic_envelope, anthropic_normalised
from logits_core.wire.errors import envelope, envelope_of, normalised, type_of_status
from logits_core.wire.sse import DONE, data_event
from logits_core.wire.surface import Dialect

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": keep-alive\n\n"


def refusal_in(dialect: Dialect, error: LogitsError, request_id: str = "") -> tuple[int, bytes]:
    """Return the HTTP status and the body of one of our refusals."""
    status, body = envelope_of(error)
    if dialect is Dialect.ANTHROPIC:
        return status, anthropic_envelope(status, error.message, request_id)
    return status, body


def failure_in(dialect: Dialect, status: int, message: str, code: str, request_id: str = "") -> bytes:
    """Return the body of a failure that has no error code of ours."""
    if dialect is Dialect.ANTHROPIC:
        return anthropic_envelope(status, message, request_id)
    return envelope(message, type_of_status(status), code=code)


def engine_error_in(dialect: Dialect, status: int, body: bytes, request_id: str = "") -> bytes:
    """Return an engine's own error in the dialect's envelope, whatever shape the engine gave it."""
    openai = normalised(status, body)
    return anthropic_normalised(status, openai, request_id) if dialect is Dialect.ANTHROPIC else openai


def closing_in(dialect: Dialect, body: bytes) -> bytes:
    """Return the events that end a stream with an error whose body is `body`.

    OpenAI's older streams end with `[DONE]`; in the other two dialects the error event itself is the end.
    """
    match dialect:
        case Dialect.OPENAI:
            return data_event(body) + DONE
        case Dialect.ANTHROPIC:
            return b"event: error\n" + data_event(body)
        case Dialect.RESPONSES:
            return b"event: error\n" + data_event(_response_error(body))


def sign_of_life_in(dialect: Dialect) -> bytes:
    """Return what shows a waiting reader that somebody is there."""
    return PING if dialect is Dialect.ANTHROPIC else COMMENT


def _response_error(body: bytes) -> bytes:
    # The dialect has the members on the event itself; OpenAI's own SDK raises only when it finds `error` as well.
    error = msgspec.json.decode(body)["error"]
    event = {"type": "error", "code": error["code"], "message": error["message"], "param": error["param"]}
    return msgspec.json.encode({**event, "error": error})
