"""Failures of the Kubernetes API as one exception that keeps the server's own words.

LogitsError
 └─ KubernetesError   a Status, an answer that makes no sense, or no answer at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from logits_core.errors import ErrorCode, LogitsError

_CODES: dict[int, ErrorCode] = {
    400: ErrorCode.MALFORMED,
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    409: ErrorCode.CONFLICT,
    410: ErrorCode.EXPIRED,
    413: ErrorCode.TOO_LARGE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    422: ErrorCode.INVALID,
    429: ErrorCode.OVER_LIMIT,
    503: ErrorCode.UNAVAILABLE,
    504: ErrorCode.UPSTREAM_TIMEOUT,
}

NO_ANSWER = 0
"""The ``http_status`` of a failure without any answer."""


SILENCE = "Silence"
"""The ``reason`` of a stream that was given up because nothing arrived for too long."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the server's causes: the field at fault and what is wrong with it."""

    field: str
    reason: str
    message: str


class KubernetesError(LogitsError):
    """A call to a Kubernetes API that failed.

    Args:
        code: our code for it.
        message: the server's message, prefixed with the call.
        http_status: the server's status; 0 when there was no answer.
        reason: Kubernetes' machine-readable word, for example ``AlreadyExists``.
        causes: the fields at fault.
        retry_after: seconds that the server asked to wait.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        http_status: int = NO_ANSWER,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        field = causes[0].field if causes and causes[0].field else None
        super().__init__(code, message, field=field, retry_after=retry_after, reason=reason)
        self.http_status = http_status
        self.causes = causes

    @property
    def answered(self) -> bool:
        """Whether the server answered at all; if not, a write may or may not have happened."""
        return self.http_status != NO_ANSWER


def failure_of(method: str, path: str, http_status: int, headers: Mapping[str, str], body: bytes) -> KubernetesError:
    """The error for an answer outside 2xx."""
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = None
    if not isinstance(status, dict):
        status = {"message": f"HTTP {http_status} without a Status", "code": http_status}
    status = cast("dict[str, Any]", status)
    retry_after = headers.get("retry-after", "")
    return status_failure(
        method,
        path,
        {**status, "code": http_status},
        retry_after=float(retry_after) if retry_after.isdigit() else None,
    )


def status_failure(method: str, path: str, status: Any, *, retry_after: float | None = None) -> KubernetesError:
    """The error for a Status object, from an answer or from an ERROR event of a watch."""
    found: dict[str, Any] = cast("dict[str, Any]", status) if isinstance(status, dict) else {}
    details: dict[str, Any] = found.get("details") or {}
    http_status = found.get("code") or 500
    reason = str(found.get("reason") or "")
    return KubernetesError(
        _code(http_status, reason),
        f"{method} {path}: {found.get('message') or 'failed without a message'}",
        http_status=http_status,
        reason=reason,
        causes=tuple(
            Cause(cause.get("field", ""), cause.get("reason", ""), cause.get("message", ""))
            for cause in details.get("causes") or ()
        ),
        retry_after=retry_after if retry_after is not None else details.get("retryAfterSeconds"),
    )


def unreachable(method: str, path: str, failure: Exception) -> KubernetesError:
    """The error for no answer, or a stream that broke."""
    detail = str(failure) or type(failure).__name__
    return KubernetesError(
        ErrorCode.UNAVAILABLE, f"{method} {path}: no answer from the API server: {detail}", reason="NoAnswer"
    )


def silent(method: str, path: str) -> KubernetesError:
    """The error for an answer that began and then fell silent."""
    return KubernetesError(ErrorCode.UNAVAILABLE, f"{method} {path}: the answer fell silent", reason=SILENCE)


def malformed(method: str, path: str) -> KubernetesError:
    """The error for an answer that isn't what the API promises."""
    return KubernetesError(
        ErrorCode.UPSTREAM_FAILED, f"{method} {path}: the answer makes no sense", reason="MalformedAnswer"
    )


def too_large(method: str, path: str, limit: int) -> KubernetesError:
    """The error for an answer beyond the bound."""
    return KubernetesError(
        ErrorCode.UPSTREAM_FAILED,
        f"{method} {path}: the answer is larger than {limit} bytes",
        reason="AnswerTooLarge",
    )


def _code(http_status: int, reason: str) -> ErrorCode:
    if reason == "AlreadyExists":
        return ErrorCode.ALREADY_EXISTS
    if reason in ("Expired", "Gone"):
        return ErrorCode.EXPIRED
    return _CODES.get(http_status, ErrorCode.UPSTREAM_FAILED)
