"""Errors of the SDK: who was at fault is in the type, what to do is in the message.

LogitsClientError
 ├─ ConnectionFailedError   nothing answered
 ├─ TimedOutError           no answer in time
 ├─ StreamBrokenError       a stream ended before its end
 └─ APIError                an answer with an error; has status, code, param, request_id, retry_after
     ├─ BadRequestError (400, 405, 413, 415, 422)   ├─ ConflictError (409, 410)
     ├─ AuthenticationError (401)                   ├─ RateLimitError (429)
     ├─ PermissionDeniedError (403)                 ├─ OverloadedError (503)
     └─ NotFoundError (404)                         └─ ServerError (other 5xx)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec


class LogitsClientError(Exception):
    """Whatever the SDK raises."""


class ConnectionFailedError(LogitsClientError):
    """No connection could be made, or it broke before an answer.

    Attributes:
        sent: whether the request may have reached the platform.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class TimedOutError(LogitsClientError):
    """No answer in time."""


class StreamBrokenError(LogitsClientError):
    """A stream ended without its end: what came before it is incomplete."""


class APIError(LogitsClientError):
    """An error that the platform answered.

    Attributes:
        status: the HTTP status; 0 for an error inside a stream.
        code: the machine's word for it, such as ``model_not_found``.
        param: the field at fault, if one is named.
        request_id: quote this when you ask for help.
        retry_after: seconds after which trying again makes sense.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after


class BadRequestError(APIError):
    """The request cannot be served as it is."""


class AuthenticationError(APIError):
    """The key is missing or wrong."""


class PermissionDeniedError(APIError):
    """The key may not do this."""


class NotFoundError(APIError):
    """There is no such model, entity or path."""


class ConflictError(APIError):
    """Somebody else changed it first; read it again and repeat."""


class RateLimitError(APIError):
    """Too many requests."""


class OverloadedError(APIError):
    """No capacity right now."""


class ServerError(APIError):
    """The platform failed."""


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: BadRequestError,
    409: ConflictError,
    410: ConflictError,
    413: BadRequestError,
    415: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    503: OverloadedError,
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error of an answer, whichever dialect it is in: OpenAI, Status or problem document."""
    found = _decode(body)
    message = found.get("message") or found.get("detail") or f"the platform answered {status}"
    details = found.get("details")
    field = cast("dict[str, Any]", details).get("field") if isinstance(details, dict) else None
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else BadRequestError)
    return kind(
        str(message),
        status=status,
        code=_text(found.get("code") if isinstance(found.get("code"), str) else found.get("reason")),
        param=_text(found.get("param") or found.get("field") or field),
        request_id=headers.get("x-request-id"),
        retry_after=seconds(headers.get("retry-after")),
    )


def stream_error(event: bytes) -> APIError | None:
    """The error that an event of a stream carries, if it carries one."""
    if b'"error"' not in event:
        return None
    try:
        decoded: Any = msgspec.json.decode(event)
    except msgspec.MsgspecError:
        return None
    found: Any = cast("dict[str, Any]", decoded).get("error") if isinstance(decoded, dict) else None
    if not isinstance(found, dict):
        return None
    fields = cast("dict[str, Any]", found)
    return ServerError(str(fields.get("message", "the stream failed")), code=_text(fields.get("code")))


def seconds(value: str | None) -> float | None:
    """A Retry-After header in seconds; dates are left to the caller's own back-off."""
    try:
        return float(value) if value else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _decode(body: bytes) -> dict[str, Any]:
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    if not isinstance(decoded, dict):
        return {}
    fields = cast("dict[str, Any]", decoded)
    inner: Any = fields.get("error")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else fields
