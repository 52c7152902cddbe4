"""How the Gateway answers errors: Kubernetes Status objects, which kubectl and every client print well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.log import Logger
from logits_shell.relay import Rejection

AnyRequest = Request[Any, Any, Any]
Handler = Callable[..., Response[bytes]]


@dataclass(frozen=True, slots=True)
class StatusWord:
    """How one core error code reads in Kubernetes' dialect."""

    code: int
    reason: str


STATUS: Mapping[ErrorCode, StatusWord] = {
    ErrorCode.MALFORMED: StatusWord(400, "BadRequest"),
    ErrorCode.INVALID: StatusWord(422, "Invalid"),
    ErrorCode.UNAUTHENTICATED: StatusWord(401, "Unauthorized"),
    ErrorCode.FORBIDDEN: StatusWord(403, "Forbidden"),
    ErrorCode.NOT_FOUND: StatusWord(404, "NotFound"),
    ErrorCode.METHOD_NOT_ALLOWED: StatusWord(405, "MethodNotAllowed"),
    ErrorCode.ALREADY_EXISTS: StatusWord(409, "AlreadyExists"),
    ErrorCode.CONFLICT: StatusWord(409, "Conflict"),
    ErrorCode.EXPIRED: StatusWord(410, "Expired"),
    ErrorCode.TOO_LARGE: StatusWord(413, "RequestEntityTooLarge"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: StatusWord(415, "UnsupportedMediaType"),
    ErrorCode.OVER_LIMIT: StatusWord(429, "TooManyRequests"),
    ErrorCode.NO_CAPACITY: StatusWord(503, "ServiceUnavailable"),
    ErrorCode.UPSTREAM_FAILED: StatusWord(502, "InternalError"),
    ErrorCode.UPSTREAM_TIMEOUT: StatusWord(504, "Timeout"),
    ErrorCode.UNAVAILABLE: StatusWord(503, "ServiceUnavailable"),
    ErrorCode.SIGNATURE_REFUSED: StatusWord(422, "Invalid"),
    ErrorCode.CORRUPT: StatusWord(500, "InternalError"),
    ErrorCode.INTERNAL: StatusWord(500, "InternalError"),
}

_BY_STATUS = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.METHOD_NOT_ALLOWED, 413: ErrorCode.TOO_LARGE}


def status_document(error: LogitsError) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the Status object of an error."""
    word = STATUS[error.code]
    details: dict[str, Any] = {}
    if error.field:
        details["causes"] = [{"reason": "FieldValueInvalid", "field": error.field, "message": error.message}]
    if error.retry_after is not None:
        details["retryAfterSeconds"] = max(1, round(error.retry_after))
    document = _failure(word.code, error.reason or word.reason, error.message)
    return word.code, document | ({"details": details} if details else {})


def status_of_rejection(rejection: Rejection) -> dict[str, Any]:
    """The Status object of bytes that are no request."""
    word = next((word for word in STATUS.values() if word.code == rejection.status), STATUS[ErrorCode.MALFORMED])
    return _failure(rejection.status, word.reason, rejection.message)


def _failure(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def incident(log: Logger, error: Exception) -> LogitsError:
    """An opaque error for a failure that nobody expected; the Pod log has it under the same id."""
    number = log.incident(error)
    return LogitsError(ErrorCode.INTERNAL, f"an unexpected error; the Gateway's log has it under {number}")


def error_handlers(log: Logger) -> dict[type[Exception] | int, Handler]:
    """Exception handlers of the app: every failure is a Status."""

    def answer(error: LogitsError) -> Response[bytes]:
        code, document = status_document(error)
        headers = {"www-authenticate": 'Bearer realm="logits-gateway"'} if code == 401 else {}
        body = msgspec.json.encode(document)
        return Response(body, status_code=code, media_type="application/json", headers=headers)

    def refused(_: AnyRequest, error: LogitsError) -> Response[bytes]:
        return answer(error)

    def http(_: AnyRequest, error: HTTPException) -> Response[bytes]:
        fallback = ErrorCode.INTERNAL if error.status_code >= 500 else ErrorCode.MALFORMED
        return answer(LogitsError(_BY_STATUS.get(error.status_code, fallback), error.detail))

    def unexpected(_: AnyRequest, error: Exception) -> Response[bytes]:
        return answer(incident(log, error))

    return {LogitsError: refused, HTTPException: http, Exception: unexpected}
