"""A pod's status: phase, conditions and container states as kubectl expects them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from logits_local.controllers.objects import known_condition, part, timestamp
from logits_local.nodes.records import ContainerRecord, Running, Terminated
from logits_shell.kubernetes.resources import KubernetesObject

HOST_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Observation:
    """What the kubelet knows about a pod.

    Attributes:
        address: the pod's own loopback address.
        started_at: when this kubelet took the pod on.
        init: its init containers.
        main: its containers.
    """

    address: str
    started_at: datetime
    init: Sequence[ContainerRecord]
    main: Sequence[ContainerRecord]


def pod_status(pod: KubernetesObject, seen: Observation, now: datetime) -> dict[str, Any]:
    """The whole status; condition times are kept while a condition stays as it is."""
    return {
        "phase": _phase(pod, seen),
        "conditions": _conditions(pod, seen, now),
        "hostIP": HOST_ADDRESS,
        "hostIPs": [{"ip": HOST_ADDRESS}],
        "podIP": seen.address,
        "podIPs": [{"ip": seen.address}],
        "startTime": part(pod, "status").get("startTime") or timestamp(seen.started_at),
        "initContainerStatuses": [record.as_dict() for record in seen.init],
        "containerStatuses": [record.as_dict() for record in seen.main],
    }


def _initialized(seen: Observation) -> bool:
    return all(isinstance(r.state, Terminated) and r.state.exit_code == 0 for r in seen.init)


def _phase(pod: KubernetesObject, seen: Observation) -> str:
    policy = pod["spec"].get("restartPolicy", "Always")
    ended = [record.state for record in seen.main if isinstance(record.state, Terminated)]
    if policy != "Always" and len(ended) == len(seen.main):
        if all(state.exit_code == 0 for state in ended):
            return "Succeeded"
        if policy == "Never":
            return "Failed"
    if not _initialized(seen):
        failed = any(isinstance(r.state, Terminated) and r.state.exit_code for r in seen.init)
        return "Failed" if failed and policy == "Never" else "Pending"
    begun = (isinstance(r.state, Running | Terminated) or r.last is not None for r in seen.main)
    return "Running" if all(begun) else "Pending"


def _conditions(pod: KubernetesObject, seen: Observation, now: datetime) -> list[dict[str, Any]]:
    unready = [record.name for record in seen.main if not record.ready]
    unfinished = [record.name for record in seen.init if not isinstance(record.state, Terminated)]
    complete = _phase(pod, seen) == "Succeeded"
    unready_text = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    unready_reason = "PodCompleted" if complete else "ContainersNotReady" if unready else ""
    return [
        _condition(pod, "PodScheduled", True, now),
        _condition(pod, "PodReadyToStartContainers", True, now),
        _condition(
            pod,
            "Initialized",
            _initialized(seen),
            now,
            reason="" if _initialized(seen) else "ContainersNotInitialized",
            message=_names("containers with incomplete status", unfinished),
        ),
        _condition(pod, "ContainersReady", not unready, now, reason=unready_reason, message=unready_text),
        _condition(pod, "Ready", not unready, now, reason=unready_reason, message=unready_text),
    ]


def _names(what: str, names: Iterable[str]) -> str:
    listed = " ".join(names)
    return f"{what}: [{listed}]" if listed else ""


def _condition(
    pod: KubernetesObject, kind: str, holds: bool, now: datetime, *, reason: str = "", message: str = ""
) -> dict[str, Any]:
    known = known_condition(pod, kind)
    status = "True" if holds else "False"
    kept = known.get("lastTransitionTime") if known.get("status") == status else None
    entry: dict[str, Any] = {
        "type": kind,
        "status": status,
        "lastProbeTime": None,
        "lastTransitionTime": kept or timestamp(now),
    }
    if reason:
        entry["reason"] = reason
    if message:
        entry["message"] = message
    return entry
