"""Records: what one audit event says, in the shape of audit.k8s.io/v1.

A mutation has two events: the intent (stage RequestReceived) before it is tried, the outcome
(ResponseComplete) after. A read has its outcome only; a watch has its start and its end.
All values are strings and whole numbers, so that the canonical JSON has one spelling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec

Stage = Literal["RequestReceived", "ResponseStarted", "ResponseComplete"]
PREFIX = "logits.ai/"
MAX_URI = 1024
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_PLAIN = msgspec.json.Encoder(order="sorted")
_DELETE = b"\x7f"


def canonical(record: Mapping[str, Any]) -> bytes:
    """The one spelling of an event: UTF-8, keys sorted, no spaces, non-ASCII characters escaped, no NaN."""
    try:
        encoded = _PLAIN.encode(record)
    except (OverflowError, UnicodeEncodeError):  # numbers beyond 64 bits, halves of surrogate pairs
        return _ENCODER.encode(record).encode()
    # Both spell alike what has nothing to escape beyond quotes and controls, which is nearly every event.
    return encoded if encoded.isascii() and _DELETE not in encoded else _ENCODER.encode(record).encode()


def is_canonical(entry: bytes) -> bool:
    """Whether the bytes are an event in its one spelling; torn or zeroed ones aren't."""
    try:
        value = json.loads(entry)
        return isinstance(value, dict) and canonical(cast("dict[str, Any]", value)) == entry
    except (ValueError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class Subject:
    """Who acts: the component, and the pod that its token is bound to."""

    caller: str
    username: str = ""
    pod_name: str = ""
    pod_uid: str = ""


ANONYMOUS = Subject("", "system:anonymous")


@dataclass(slots=True)
class Act:
    """One request, as far as it was understood; it grows while the request passes the stages.

    Attributes:
        audit_id: the same in all events of the act, and sent upstream as ``Audit-ID``.
        received_at: seconds since the epoch.
        verb: as in Kubernetes, or the HTTP method in lower case for other routes.
        uri: path and query as asked for.
        subject: who asks.
        source: the peer's address.
        reference: the object, with the keys of audit.k8s.io's objectRef.
        notes: our annotations, without their prefix.
        request_object: the body with values replaced by digests, for mutations.
    """

    audit_id: str
    received_at: float
    verb: str
    uri: str
    subject: Subject = ANONYMOUS
    source: str = ""
    reference: dict[str, str] = field(default_factory=dict[str, str])
    notes: dict[str, str] = field(default_factory=dict[str, str])
    request_object: Any = None


def event(
    act: Act,
    stage: Stage,
    *,
    now: float,
    code: int | None = None,
    reason: str = "",
    notes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Build one audit event.

    Args:
        act: what is being done.
        stage: which moment of it.
        now: seconds since the epoch.
        code: HTTP status of the answer, once there is one.
        reason: Kubernetes' or our word for a refusal.
        notes: annotations that are only known at this stage.
    """
    subject = act.subject
    result: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request" if act.request_object is not None else "Metadata",
        "auditID": act.audit_id,
        "stage": stage,
        "requestURI": act.uri[:MAX_URI],
        "verb": act.verb,
        "user": {"username": subject.username},
        "requestReceivedTimestamp": _stamp(act.received_at),
        "stageTimestamp": _stamp(now),
        "annotations": {PREFIX + key: value for key, value in (act.notes | (notes or {})).items()},
    }
    if subject.caller:
        result["annotations"][PREFIX + "caller"] = subject.caller
    if subject.pod_uid:
        result["user"]["extra"] = {
            "authentication.kubernetes.io/pod-name": [subject.pod_name],
            "authentication.kubernetes.io/pod-uid": [subject.pod_uid],
        }
    if act.source:
        result["sourceIPs"] = [act.source]
    if act.reference:
        result["objectRef"] = dict(act.reference)
    if act.request_object is not None and stage == "RequestReceived":
        result["requestObject"] = act.request_object
    if code is not None:
        result["responseStatus"] = {"code": code} | ({"reason": reason} if reason else {})
    return result


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"
