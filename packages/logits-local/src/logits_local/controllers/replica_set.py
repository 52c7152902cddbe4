"""The ReplicaSet controller: how many pods there should be, and which one goes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from logits_local.controllers.objects import (
    controller_uid,
    deleting,
    name,
    namespace,
    part,
    pod_finished,
    pod_ready,
    uid,
)
from logits_local.controllers.plan import Create, Delete, Patch, Plan, Step
from logits_local.controllers.template import pod_manifest
from logits_shell.kubernetes.resources import PODS, REPLICA_SETS, KubernetesObject

_BURST = 50
"""Most pods made in one pass, so that a mistyped replica count can't flood the machine at once."""


def plan_replica_set(replica_set: KubernetesObject, pods: Iterable[KubernetesObject]) -> Plan:
    """Bring the number of pods to ``spec.replicas`` and the status to what is observed.

    Args:
        replica_set: the ReplicaSet.
        pods: all pods of its namespace, or only its own; others are ignored.
    """
    owned = [pod for pod in pods if controller_uid(pod) == uid(replica_set)]
    active = [pod for pod in owned if not deleting(pod) and not pod_finished(pod)]
    status, known = _status(replica_set, active), part(replica_set, "status")
    steps: list[Step] = []
    if not deleting(replica_set):
        steps += _scale(replica_set, active)
    if any(known.get(key) != value for key, value in status.items()):
        steps.append(Patch(REPLICA_SETS, namespace(replica_set), name(replica_set), {"status": status}, status=True))
    return Plan(tuple(steps))


def _scale(replica_set: KubernetesObject, active: list[KubernetesObject]) -> list[Step]:
    missing = int(replica_set["spec"]["replicas"]) - len(active)
    if missing > 0:
        return [Create(PODS, pod_manifest(replica_set)) for _ in range(min(missing, _BURST))]
    surplus = sorted(active, key=_deletion_rank)[: -missing or 0]
    return [Delete(PODS, namespace(pod), name(pod), uid(pod)) for pod in surplus]


def _deletion_rank(pod: KubernetesObject) -> tuple[bool, bool, bool, float, str]:
    """Orders pods by how little is lost: unscheduled, then pending, then not ready, then youngest."""
    created = pod["metadata"].get("creationTimestamp")
    age = datetime.fromisoformat(created).timestamp() if created else 0.0
    running = part(pod, "status").get("phase") == "Running"
    return bool(pod["spec"].get("nodeName")), running, pod_ready(pod), -age, name(pod)


def _status(replica_set: KubernetesObject, active: list[KubernetesObject]) -> dict[str, Any]:
    ready = sum(map(pod_ready, active))
    return {
        "replicas": len(active),
        "fullyLabeledReplicas": len(active),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": int(replica_set["metadata"].get("generation", 1)),
    }
