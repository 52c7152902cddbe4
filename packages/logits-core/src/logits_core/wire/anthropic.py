"""Anthropic's error envelope: our codes in its words, and engines' own errors put into it."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

TYPES: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""The dialect's error type for each status."""


def anthropic_envelope(status: int, message: str, request_id: str = "") -> bytes:
    """Return the JSON of one error.

    Args:
        status: HTTP status, which decides the type.
        message: What was wrong and how to mend it.
        request_id: Of the request, "" when it's not known.
    """
    kind = TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    document: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    if request_id:
        document["request_id"] = request_id
    return msgspec.json.encode(document)


def anthropic_normalised(status: int, openai: bytes, request_id: str = "") -> bytes:
    """Return an engine's error, already put into OpenAI's envelope, in Anthropic's."""
    error = cast("dict[str, Any]", msgspec.json.decode(openai)["error"])
    return anthropic_envelope(status, str(error["message"]), request_id)
