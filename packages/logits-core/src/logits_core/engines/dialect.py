"""What an engine offers to callers, and its errors put into OpenAI's shape."""

from typing import Any, Final, cast

import msgspec

OFFERED: Final[dict[str, frozenset[str]]] = {
    "GET": frozenset({"/v1/models"}),
    "POST": frozenset(
        {
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/responses",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/rerank",
            "/v1/score",
            "/v1/classify",
            "/v1/audio/transcriptions",
            "/v1/audio/translations",
            "/rerank",
            "/score",
            "/classify",
            "/pooling",
            "/tokenize",
            "/detokenize",
        }
    ),
}
"""Methods and paths that are relayed. All else an engine has (loading adapters, sleeping, internals) is not."""

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    501: "invalid_request_error",
}
_CODES: Final = {
    "exceed_context_size_error": "context_length_exceeded",
    "not_supported_error": "unsupported_by_model",
    "unavailable_error": "model_not_ready",
}


def is_offered(method: str, path: str) -> bool:
    """Tell whether a request may reach the engine."""
    return path in OFFERED.get(method, frozenset())


def error_document(status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
    """Return an error in OpenAI's shape."""
    error = {"message": message, "type": _TYPES.get(status, "server_error"), "param": param, "code": code}
    return msgspec.json.encode({"error": error})


def normalised_error(status: int, body: bytes) -> bytes:
    """Return an engine's error answer in OpenAI's shape: four fields, and a code that is text or null.

    llama.cpp and vLLM put the HTTP status into ``code``; whatever else they say is kept.
    """
    found = _error_object(body)
    if found is None:
        text = body.decode("utf-8", "replace").strip()[:500]
        return error_document(status, text or f"The engine answered {status} without an explanation.")
    kind, code, param, message = (found.get(key) for key in ("type", "code", "param", "message"))
    if not isinstance(code, str) or code.isdecimal():
        code = _CODES.get(str(kind))
    known = isinstance(kind, str) and kind.endswith("_error") and kind not in _CODES
    error = {
        **found,
        "message": str(message or "The engine gave no message."),
        "type": kind if known else _TYPES.get(status, "server_error"),
        "param": param if isinstance(param, str) else None,
        "code": code,
    }
    return msgspec.json.encode({"error": error})


def _error_object(body: bytes) -> dict[str, Any] | None:
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(decoded, dict):
        return None
    document = cast("dict[str, Any]", decoded)
    error: Any = document.get("error", document)
    if isinstance(error, str):
        return {"message": error}
    return cast("dict[str, Any]", error) if isinstance(error, dict) else None
