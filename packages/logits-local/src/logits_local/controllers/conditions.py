"""A Deployment's status: replica counts and its Available and Progressing conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from logits_local.controllers.objects import condition, known_condition, moment, name, part, timestamp
from logits_local.controllers.strategy import rolling_bounds
from logits_shell.kubernetes.resources import KubernetesObject

_DEADLINE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Counts:
    """Pods of a Deployment, as its ReplicaSets report them."""

    wanted: int
    replicas: int
    updated: int
    ready: int
    available: int

    @classmethod
    def of(
        cls,
        deployment: KubernetesObject,
        current: KubernetesObject | None,
        owned: Iterable[KubernetesObject],
    ) -> Counts:
        """Add up what the ReplicaSets say."""
        statuses: list[dict[str, Any]] = [part(item, "status") for item in owned]
        return cls(
            wanted=int(deployment["spec"].get("replicas", 1)),
            replicas=_total(statuses, "replicas"),
            updated=_total([part(current or {}, "status")], "replicas"),
            ready=_total(statuses, "readyReplicas"),
            available=_total(statuses, "availableReplicas"),
        )

    @property
    def complete(self) -> bool:
        """Whether every wanted pod is new and available, and no other is left."""
        return self.updated == self.replicas == self.available == self.wanted

    def ahead_of(self, status: dict[str, Any]) -> bool:
        """Whether there was progress since this status was written."""
        then = {key: int(status.get(key) or 0) for key in _COUNT_KEYS}
        return (
            self.updated > then["updatedReplicas"]
            or self.replicas - self.updated < then["replicas"] - then["updatedReplicas"]
            or self.ready > then["readyReplicas"]
            or self.available > then["availableReplicas"]
        )


_COUNT_KEYS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def _total(statuses: list[dict[str, Any]], key: str) -> int:
    return sum(int(status.get(key) or 0) for status in statuses)


def deployment_status(
    deployment: KubernetesObject, current: KubernetesObject | None, counts: Counts, now: datetime
) -> tuple[dict[str, Any], datetime | None]:
    """The status to write, and when the progress deadline would pass."""
    progressing, wake_at = _progressing(deployment, current, counts, now)
    status = {
        "observedGeneration": int(deployment["metadata"].get("generation", 1)),
        "replicas": counts.replicas,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": max(0, counts.wanted - counts.available),
        "conditions": [_available(deployment, counts, now), progressing],
    }
    return status, wake_at


def status_differs(deployment: KubernetesObject, status: dict[str, Any]) -> bool:
    """Whether writing ``status`` would change anything."""
    known = part(deployment, "status")
    return any(known.get(key) != value for key, value in status.items())


def _available(deployment: KubernetesObject, counts: Counts, now: datetime) -> dict[str, Any]:
    _, unavailable = rolling_bounds(deployment)
    enough = counts.available >= counts.wanted - (unavailable if counts.wanted else 0)
    return _condition(
        deployment,
        "Available",
        enough,
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        now=now,
    )


def _progressing(
    deployment: KubernetesObject, current: KubernetesObject | None, counts: Counts, now: datetime
) -> tuple[dict[str, Any], datetime | None]:
    known = condition(deployment, "Progressing")
    if current is None:
        waiting = _condition(
            deployment,
            "Progressing",
            True,
            reason="ReplicaSetUpdated",
            message=f'Deployment "{name(deployment)}" is progressing.',
            now=now,
        )
        return waiting, None
    label = f'ReplicaSet "{name(current)}"'
    deadline = timedelta(seconds=int(deployment["spec"].get("progressDeadlineSeconds") or _DEADLINE_SECONDS))
    if counts.complete:
        return _progress(deployment, "NewReplicaSetAvailable", label, now), None
    if known is None or label not in str(known.get("message", "")):
        return _progress(deployment, "NewReplicaSetCreated", label, now, moved=True), now + deadline
    return _within_deadline(deployment, known, counts, label, now=now, deadline=deadline)


def _within_deadline(
    deployment: KubernetesObject,
    known: dict[str, Any],
    counts: Counts,
    label: str,
    *,
    now: datetime,
    deadline: timedelta,
) -> tuple[dict[str, Any], datetime | None]:
    """Progressing of an unfinished rollout that has begun."""
    if known["reason"] == "NewReplicaSetAvailable":
        # A finished rollout that lost a pod has no deadline; the next template starts a new one.
        return known, None
    moved = counts.ahead_of(part(deployment, "status"))
    since = now if moved else moment(known.get("lastUpdateTime")) or now
    if known["reason"] == "ProgressDeadlineExceeded" and not moved:
        return known, None
    if now >= since + deadline:
        return _progress(deployment, "ProgressDeadlineExceeded", label, now), None
    if moved:
        return _progress(deployment, "ReplicaSetUpdated", label, now, moved=True), now + deadline
    return known, since + deadline


_PROGRESS_TEXT = {
    "NewReplicaSetCreated": "Created new {label}",
    "ReplicaSetUpdated": "{label} is progressing.",
    "NewReplicaSetAvailable": "{label} has successfully progressed.",
    "ProgressDeadlineExceeded": "{label} has timed out progressing.",
}


def _progress(
    deployment: KubernetesObject, reason: str, label: str, now: datetime, *, moved: bool = False
) -> dict[str, Any]:
    return _condition(
        deployment,
        "Progressing",
        reason != "ProgressDeadlineExceeded",
        reason=reason,
        message=_PROGRESS_TEXT[reason].format(label=label),
        now=now,
        moved=moved,
    )


def _condition(
    deployment: KubernetesObject,
    kind: str,
    holds: bool,
    *,
    reason: str,
    message: str,
    now: datetime,
    moved: bool = False,
) -> dict[str, Any]:
    """A condition that keeps its times as long as nothing about it changed."""
    status = "True" if holds else "False"
    known = known_condition(deployment, kind)
    same_status = known.get("status") == status
    same = same_status and known.get("reason") == reason and known.get("message") == message
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": known["lastUpdateTime"] if same and not moved else timestamp(now),
        "lastTransitionTime": known["lastTransitionTime"] if same_status else timestamp(now),
    }
