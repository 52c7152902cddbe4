"""Refusals of the embedded API server, in the shape of a Kubernetes Status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logits_core.errors import ErrorCode, LogitsError

REASONS: dict[str, tuple[int, ErrorCode]] = {
    "BadRequest": (400, ErrorCode.MALFORMED),
    "Unauthorized": (401, ErrorCode.UNAUTHENTICATED),
    "Forbidden": (403, ErrorCode.FORBIDDEN),
    "NotFound": (404, ErrorCode.NOT_FOUND),
    "MethodNotAllowed": (405, ErrorCode.METHOD_NOT_ALLOWED),
    "AlreadyExists": (409, ErrorCode.ALREADY_EXISTS),
    "Conflict": (409, ErrorCode.CONFLICT),
    "Expired": (410, ErrorCode.EXPIRED),
    "RequestEntityTooLarge": (413, ErrorCode.TOO_LARGE),
    "UnsupportedMediaType": (415, ErrorCode.UNSUPPORTED_MEDIA_TYPE),
    "Invalid": (422, ErrorCode.INVALID),
    "InternalError": (500, ErrorCode.INTERNAL),
    "Timeout": (504, ErrorCode.UPSTREAM_TIMEOUT),
}
"""Kubernetes reason -> HTTP status and the code that the rest of Logits uses for it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is at fault.

    Attributes:
        reason: Kubernetes cause type, such as ``FieldValueInvalid``.
        message: what is wrong with it.
        field: path such as ``spec.containers[0].name``.
    """

    reason: str
    message: str
    field: str = ""

    def encode(self) -> dict[str, str]:
        """The cause as it appears in a Status."""
        field = {"field": self.field} if self.field else {}
        return {"reason": self.reason, "message": self.message, **field}


class StatusError(LogitsError):
    """A refusal that is answered as a Kubernetes Status object.

    Args:
        kubernetes_reason: a key of ``REASONS``.
        message: what was wrong, in the words that Kubernetes uses.
        details: the ``details`` object; absent when None.
    """

    def __init__(
        self, kubernetes_reason: str, message: str, *, details: dict[str, Any] | None = None, say: bool = True
    ) -> None:
        status, code = REASONS[kubernetes_reason]
        super().__init__(code, message, reason=kubernetes_reason)
        self.http_status = status
        self.details = details
        self._say = say

    def encode(self) -> dict[str, Any]:
        """The Status object."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self._say:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.http_status}


def _where(plural: str, group: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def bad_request(message: str) -> StatusError:
    """The request cannot be understood."""
    return StatusError("BadRequest", message)


def no_such_path() -> StatusError:
    """The path names no resource."""
    return StatusError("NotFound", "the server could not find the requested resource", details={})


def not_found(plural: str, group: str, name: str) -> StatusError:
    """There is no object of that name."""
    message = f'{_qualified(plural, group)} "{name}" not found'
    return StatusError("NotFound", message, details=_where(plural, group, name))


def already_exists(plural: str, group: str, name: str) -> StatusError:
    """The name is taken."""
    message = f'{_qualified(plural, group)} "{name}" already exists'
    return StatusError("AlreadyExists", message, details=_where(plural, group, name))


def conflict(plural: str, group: str, name: str, why: str = "") -> StatusError:
    """Somebody else changed the object first, or a precondition does not hold."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {why}'
    return StatusError("Conflict", message, details=_where(plural, group, name))


def forbidden(plural: str, group: str, name: str, why: str) -> StatusError:
    """The caller, or a rule about the object, does not allow this."""
    subject = f'{_qualified(plural, group)} "{name}"' if name else _qualified(plural, group)
    details = _where(plural, group, name)
    return StatusError("Forbidden", f"{subject} is forbidden: {why}", details=details)


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> StatusError:
    """Fields have values that cannot be used; every one of them is named."""
    parts = [f"{cause.field}: {cause.message}" for cause in causes]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    details = _where(kind, group, name) | {"causes": [cause.encode() for cause in causes]}
    return StatusError("Invalid", f'{_qualified(kind, group)} "{name}" is invalid: {text}', details=details)


def expired(message: str) -> StatusError:
    """The asked-for history is gone; list again."""
    return StatusError("Expired", message)


def apply_conflict(conflicts: list[tuple[str, str]]) -> StatusError:
    """Server-side apply met fields that other managers own.

    Args:
        conflicts: pairs of manager description and field path.
    """
    causes = [Cause("FieldManagerConflict", f"conflict with {who}", field) for who, field in conflicts]
    plural = "conflict" if len(causes) == 1 else "conflicts"
    listed = "; ".join(f"{cause.message}: {cause.field}" for cause in causes)
    message = f"Apply failed with {len(causes)} {plural}: {listed}"
    return StatusError("Conflict", message, details={"causes": [cause.encode() for cause in causes]})
