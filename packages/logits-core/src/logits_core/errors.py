"""Errors of the core: one closed set of codes that every edge translates into its own dialect.

LogitsError
 └─ raised with an ErrorCode, a sentence that says what was wrong, the field at fault and the remedy.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every way in which a request to Logits can fail; edges map each code once."""

    MALFORMED = "malformed"
    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    OVER_LIMIT = "over_limit"
    NO_CAPACITY = "no_capacity"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UNAVAILABLE = "unavailable"
    SIGNATURE_REFUSED = "signature_refused"
    CORRUPT = "corrupt"
    INTERNAL = "internal"


HTTP_STATUS: dict[ErrorCode, int] = {
    ErrorCode.MALFORMED: 400,
    ErrorCode.INVALID: 422,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.ALREADY_EXISTS: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.EXPIRED: 410,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.OVER_LIMIT: 429,
    ErrorCode.NO_CAPACITY: 503,
    ErrorCode.UPSTREAM_FAILED: 502,
    ErrorCode.UPSTREAM_TIMEOUT: 504,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.SIGNATURE_REFUSED: 422,
    ErrorCode.CORRUPT: 500,
    ErrorCode.INTERNAL: 500,
}
"""The HTTP status that an edge answers unless its dialect has a rule of its own."""

TITLES: dict[ErrorCode, str] = {
    ErrorCode.MALFORMED: "The request could not be read",
    ErrorCode.INVALID: "A field has a value that cannot be used",
    ErrorCode.UNAUTHENTICATED: "The caller did not prove who it is",
    ErrorCode.FORBIDDEN: "The caller may not do this",
    ErrorCode.NOT_FOUND: "There is no such thing",
    ErrorCode.METHOD_NOT_ALLOWED: "The method is not offered here",
    ErrorCode.ALREADY_EXISTS: "The name is taken",
    ErrorCode.CONFLICT: "Somebody else changed it first",
    ErrorCode.EXPIRED: "The asked-for history is gone",
    ErrorCode.TOO_LARGE: "The request is too large",
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: "The content type is not understood",
    ErrorCode.OVER_LIMIT: "Too many requests",
    ErrorCode.NO_CAPACITY: "No capacity right now",
    ErrorCode.UPSTREAM_FAILED: "The component behind this one failed",
    ErrorCode.UPSTREAM_TIMEOUT: "The component behind this one did not answer in time",
    ErrorCode.UNAVAILABLE: "Not available right now",
    ErrorCode.SIGNATURE_REFUSED: "A signature does not hold",
    ErrorCode.CORRUPT: "Stored data is damaged",
    ErrorCode.INTERNAL: "An unexpected error",
}
"""One short title per code, for problem documents and for the generated reference."""


class LogitsError(Exception):
    """A refusal that its reader can act on.

    Args:
        code: which of the closed set of failures this is.
        message: what was wrong and how to mend it; never contains a secret value.
        field: dotted path of the field at fault, such as ``spec.maxReplicas``.
        retry_after: seconds after which trying again makes sense, if it does.
        reason: the dialect's own finer word where it has one, such as Kubernetes' ``AlreadyExists``.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.reason = reason

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return HTTP_STATUS[self.code]
