"""A Deployment's status: replica counts and its Available and Progressing conditions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from logits_local.controllers.objects import known_condition, moment, name, part, timestamp
from logits_local.controllers.strategy import rolling_bounds
from logits_shell.kubernetes.resources import KubernetesObject

_PROGRESS = {
    "NewReplicaSetCreated": "Created new {label}",
    "ReplicaSetUpdated": "{label} is progressing.",
    "NewReplicaSetAvailable": "{label} has successfully progressed.",
    "ProgressDeadlineExceeded": "{label} has timed out progressing.",
}
_COUNTED = ("replicas", "readyReplicas", "availableReplicas")


def deployment_status(
    deployment: KubernetesObject,
    current: KubernetesObject | None,
    owned: Iterable[KubernetesObject],
    now: datetime,
) -> tuple[dict[str, Any], datetime | None]:
    """The status to write, and when the progress deadline would pass.

    Args:
        deployment: the Deployment with its last status.
        current: the ReplicaSet of its present template, once there is one.
        owned: all its ReplicaSets.
        now: the time.
    """
    wanted, statuses = deployment["spec"]["replicas"], [part(item, "status") for item in owned]
    counts = {key: sum(int(status.get(key) or 0) for status in statuses) for key in _COUNTED}
    counts["updatedReplicas"] = int(part(current or {}, "status").get("replicas") or 0)
    enough = counts["availableReplicas"] >= wanted - rolling_bounds(deployment)[1]
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    message = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    reason_now, moved = _progress(deployment, current, counts)
    under_way = current is not None and reason_now in ("NewReplicaSetCreated", "ReplicaSetUpdated")
    wake_at = _deadline(deployment, now, moved=moved) if under_way else None
    if wake_at is not None and wake_at <= now:
        reason_now, wake_at = "ProgressDeadlineExceeded", None
    label = f'ReplicaSet "{name(current)}"' if current else "ReplicaSet"
    going_on, text = reason_now != "ProgressDeadlineExceeded", _PROGRESS[reason_now].format(label=label)
    status = {
        "observedGeneration": int(deployment["metadata"].get("generation", 1)),
        **counts,
        "unavailableReplicas": max(0, wanted - counts["availableReplicas"]),
        "conditions": [
            _condition(deployment, "Available", enough, (reason, message), now),
            _condition(deployment, "Progressing", going_on, (reason_now, text), now, moved=moved),
        ],
    }
    return status, wake_at


def _progress(
    deployment: KubernetesObject, current: KubernetesObject | None, counts: dict[str, int]
) -> tuple[str, bool]:
    """The reason of the Progressing condition while no deadline passes, and whether there is progress."""
    known, before = known_condition(deployment, "Progressing"), part(deployment, "status")
    wanted, updated = deployment["spec"]["replicas"], counts["updatedReplicas"]
    if current is None:
        return "ReplicaSetUpdated", False
    if updated == counts["replicas"] == counts["availableReplicas"] == wanted:
        return "NewReplicaSetAvailable", False
    if f'"{name(current)}"' not in str(known.get("message", "")):
        return "NewReplicaSetCreated", True
    grown = any(counts[key] > int(before.get(key) or 0) for key in counts if key != "replicas")
    older = int(before.get("replicas") or 0) - int(before.get("updatedReplicas") or 0)
    if known["reason"] == "NewReplicaSetAvailable":
        # A finished rollout that lost a pod has no deadline; the next template starts a new one.
        return "NewReplicaSetAvailable", False
    if grown or counts["replicas"] - updated < older:
        return "ReplicaSetUpdated", True
    return known["reason"], False


def _deadline(deployment: KubernetesObject, now: datetime, *, moved: bool) -> datetime:
    since = None if moved else moment(known_condition(deployment, "Progressing").get("lastUpdateTime"))
    return (since or now) + timedelta(seconds=int(deployment["spec"].get("progressDeadlineSeconds") or 600))


def _condition(
    deployment: KubernetesObject,
    kind: str,
    holds: bool,
    why: tuple[str, str],
    now: datetime,
    *,
    moved: bool = False,
) -> dict[str, Any]:
    """A condition that keeps its times as long as nothing about it changed."""
    status, known = "True" if holds else "False", known_condition(deployment, kind)
    same_status = known.get("status") == status
    same = same_status and (known.get("reason"), known.get("message")) == why and not moved
    return {
        "type": kind,
        "status": status,
        "reason": why[0],
        "message": why[1],
        "lastUpdateTime": known["lastUpdateTime"] if same else timestamp(now),
        "lastTransitionTime": known["lastTransitionTime"] if same_status else timestamp(now),
    }
