"""Refusals on the wire: the shape of a Kubernetes Status, from an error and back."""

from typing import Any, Final, cast

from logits_core.entities.model import JsonObject
from logits_core.errors import HTTP_STATUS, ErrorCode, LogitsError

REASONS: Final[dict[ErrorCode, str]] = {
    ErrorCode.MALFORMED: "BadRequest",
    ErrorCode.INVALID: "Invalid",
    ErrorCode.UNAUTHENTICATED: "Unauthorized",
    ErrorCode.FORBIDDEN: "Forbidden",
    ErrorCode.NOT_FOUND: "NotFound",
    ErrorCode.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    ErrorCode.ALREADY_EXISTS: "AlreadyExists",
    ErrorCode.CONFLICT: "Conflict",
    ErrorCode.EXPIRED: "Expired",
    ErrorCode.TOO_LARGE: "RequestEntityTooLarge",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "UnsupportedMediaType",
    ErrorCode.OVER_LIMIT: "TooManyRequests",
    ErrorCode.NO_CAPACITY: "TooManyRequests",
    ErrorCode.UPSTREAM_FAILED: "ServiceUnavailable",
    ErrorCode.UPSTREAM_TIMEOUT: "Timeout",
    ErrorCode.UNAVAILABLE: "ServiceUnavailable",
    ErrorCode.SIGNATURE_REFUSED: "Invalid",
    ErrorCode.CORRUPT: "InternalError",
    ErrorCode.INTERNAL: "InternalError",
}
"""The word for each code; where a code has none of its own, the nearest that Kubernetes knows."""

_CODES: Final = {reason: code for code, reason in reversed(REASONS.items())}


def status_of(error: LogitsError) -> JsonObject:
    """Return the Status document that tells a client of ``error``."""
    details: JsonObject = {}
    if error.field is not None:
        details["field"] = error.field
    if error.retry_after is not None:
        details["retryAfterSeconds"] = max(1, round(error.retry_after))
    return {
        "kind": "Status",
        "status": "Failure",
        "reason": REASONS[error.code],
        "message": error.message,
        "code": HTTP_STATUS[error.code],
        "details": details,
    }


def error_of(status: JsonObject) -> LogitsError:
    """Return the error that a Status document tells of; an unknown reason becomes ``UPSTREAM_FAILED``."""
    code = _CODES.get(str(status.get("reason")), ErrorCode.UPSTREAM_FAILED)
    found: Any = status.get("details")
    details = cast("JsonObject", found) if isinstance(found, dict) else {}
    field, retry_after = details.get("field"), details.get("retryAfterSeconds")
    return LogitsError(
        code,
        str(status.get("message") or "The Entity DB refused the request without saying why."),
        field=field if isinstance(field, str) else None,
        retry_after=float(retry_after) if isinstance(retry_after, int) else None,
    )
