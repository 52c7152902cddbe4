"""The error envelopes of the dialects: our codes in their words, and engines' own errors put in order.

In OpenAI's dialect every error is `{"error": {"message", "type", "param", "code"}}` with all four members;
`code` and `param` are strings or null. Engines get this wrong (numbers as codes, bare strings), so what they
send is read tolerantly and written anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import msgspec

from logits_core.errors import ErrorCode, LogitsError


@dataclass(frozen=True, slots=True)
class Envelope:
    """How one of our codes appears in the OpenAI dialect.

    Attributes:
        status: HTTP status.
        type: The dialect's `type`.
        code: The dialect's `code` unless the refusal has a finer `reason`.
    """

    status: int
    type: str
    code: str


INVALID_REQUEST = "invalid_request_error"
SERVER = "server_error"
OVERLOADED = "service_unavailable_error"

ENVELOPES: dict[ErrorCode, Envelope] = {
    ErrorCode.MALFORMED: Envelope(400, INVALID_REQUEST, "malformed_request"),
    ErrorCode.INVALID: Envelope(400, INVALID_REQUEST, "invalid_value"),
    ErrorCode.UNAUTHENTICATED: Envelope(401, "authentication_error", "invalid_api_key"),
    ErrorCode.FORBIDDEN: Envelope(403, "permission_error", "forbidden"),
    ErrorCode.NOT_FOUND: Envelope(404, INVALID_REQUEST, "not_found"),
    ErrorCode.METHOD_NOT_ALLOWED: Envelope(405, INVALID_REQUEST, "method_not_allowed"),
    ErrorCode.ALREADY_EXISTS: Envelope(409, INVALID_REQUEST, "already_exists"),
    ErrorCode.CONFLICT: Envelope(409, INVALID_REQUEST, "conflict"),
    ErrorCode.EXPIRED: Envelope(410, INVALID_REQUEST, "expired"),
    ErrorCode.TOO_LARGE: Envelope(413, INVALID_REQUEST, "request_too_large"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Envelope(415, INVALID_REQUEST, "unsupported_media_type"),
    ErrorCode.OVER_LIMIT: Envelope(429, "rate_limit_error", "rate_limit_exceeded"),
    ErrorCode.NO_CAPACITY: Envelope(503, OVERLOADED, "server_is_overloaded"),
    ErrorCode.UPSTREAM_FAILED: Envelope(502, SERVER, "upstream_failed"),
    ErrorCode.UPSTREAM_TIMEOUT: Envelope(504, SERVER, "upstream_timeout"),
    ErrorCode.UNAVAILABLE: Envelope(503, OVERLOADED, "service_unavailable"),
    ErrorCode.SIGNATURE_REFUSED: Envelope(400, INVALID_REQUEST, "signature_refused"),
    ErrorCode.CORRUPT: Envelope(500, SERVER, "internal_error"),
    ErrorCode.INTERNAL: Envelope(500, SERVER, "internal_error"),
}
"""The one table of the OpenAI edge."""

_TYPE_BY_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: OVERLOADED,
}


_ENGINE_TYPES = {
    "exceed_context_size_error": "context_length_exceeded",
    "not_supported_error": "unsupported_by_model",
    "unavailable_error": "model_not_ready",
}
"""Types of llama.cpp's own that say what OpenAI's dialect says by a code."""


def envelope(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> bytes:
    """Return the JSON of one error."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def envelope_of(error: LogitsError) -> tuple[int, bytes]:
    """Return the HTTP status and the JSON for one of our refusals."""
    row = ENVELOPES[error.code]
    return row.status, envelope(error.message, row.type, param=error.field, code=error.reason or row.code)


def plain_error(status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
    """Return the JSON of an error whose type follows from its HTTP status."""
    return envelope(message, type_of_status(status), param=param, code=code)


def type_of_status(status: int) -> str:
    """Return the dialect's error type that fits an HTTP status."""
    return _TYPE_BY_STATUS.get(status, SERVER if status >= 500 else INVALID_REQUEST)


def normalised(status: int, body: bytes) -> bytes:
    """Return an engine's error body in the proper envelope, whatever shape the engine gave it.

    Messages and known members are kept; members beyond the four (some engines add details) are kept too.
    llama.cpp and vLLM put the HTTP status into ``code``: that says nothing new, so it becomes null or, where
    the engine's type says more, the dialect's own code.
    """
    document = _decoded(body)
    error = document.get("error", document)
    if isinstance(error, str):
        error = {"message": error}
    members = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    message = members.get("message") or members.get("detail") or f"The engine answered {status}."
    kind = _text(members.get("type"))
    known = {
        "message": message if isinstance(message, str) else msgspec.json.encode(message).decode(),
        "type": kind if _is_dialect_type(kind) else type_of_status(status),
        "param": _text(members.get("param")),
        "code": _code(members.get("code")) or _ENGINE_TYPES.get(kind or ""),
    }
    extra = {key: value for key, value in members.items() if key not in known and key not in {"detail", "object"}}
    return msgspec.json.encode({"error": {**known, **extra}})


def error_members(body: bytes) -> dict[str, Any]:
    """Return the members of an error in the proper envelope."""
    return cast("dict[str, Any]", msgspec.json.decode(body)["error"])


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace").strip()
        return {"error": {"message": text[:2000]}} if text else {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _code(value: object) -> str | None:
    text = _text(value)
    return None if text is None or text.isdecimal() else text


def _is_dialect_type(kind: str | None) -> bool:
    return kind is not None and kind.endswith("_error") and kind not in _ENGINE_TYPES
