"""A pod's status: phase, conditions and container states as kubectl expects them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from logits_local.controllers.objects import known_condition, part, timestamp
from logits_shell.kubernetes.resources import KubernetesObject

HOST_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running: being prepared, backing off or refused, for this reason."""

    reason: str
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        return {"waiting": {"reason": self.reason, **({"message": self.message} if self.message else {})}}


@dataclass(frozen=True, slots=True)
class Running:
    """The process runs."""

    started_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        return {"running": {"startedAt": timestamp(self.started_at)}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """The process ended; ``exit_code`` is 128 + N when signal N ended it."""

    exit_code: int
    started_at: datetime
    finished_at: datetime
    container_id: str = ""
    message: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        entry: dict[str, Any] = {
            "exitCode": self.exit_code,
            "reason": self.reason or ("Completed" if self.exit_code == 0 else "Error"),
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at),
            "containerID": self.container_id,
        }
        return {"terminated": {**entry, **({"message": self.message} if self.message else {})}}


@dataclass(slots=True)
class ContainerRecord:
    """What the kubelet knows about one container of a pod."""

    name: str
    image: str
    state: Waiting | Running | Terminated
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    container_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The entry in ``containerStatuses``."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.container_id,
            "state": self.state.as_dict(),
            "lastState": self.last.as_dict() if self.last else {},
            "restartCount": self.restarts,
            "started": isinstance(self.state, Running),
            "ready": self.ready,
        }


def pod_status(
    pod: KubernetesObject, address: str, began: datetime, records: Sequence[ContainerRecord], now: datetime
) -> dict[str, Any]:
    """The whole status; condition times are kept while a condition stays as it is.

    Args:
        pod: the pod with its last known status.
        address: its own loopback address.
        began: when this kubelet took the pod on.
        records: its containers.
        now: the time.
    """
    unready = [record.name for record in records if not record.ready]
    why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    return {
        "phase": _phase(pod, records),
        "conditions": [
            _condition(pod, "PodScheduled", {}, now),
            _condition(pod, "Initialized", {}, now),
            _condition(pod, "ContainersReady", why if unready else {}, now),
            _condition(pod, "Ready", why if unready else {}, now),
        ],
        "hostIP": HOST_ADDRESS,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": part(pod, "status").get("startTime") or timestamp(began),
        "containerStatuses": [record.as_dict() for record in records],
    }


def _phase(pod: KubernetesObject, records: Sequence[ContainerRecord]) -> str:
    ended = [record.state for record in records if isinstance(record.state, Terminated)]
    if pod["spec"].get("restartPolicy") == "Never" and len(ended) == len(records):
        return "Failed" if any(state.exit_code for state in ended) else "Succeeded"
    begun = (isinstance(r.state, Running | Terminated) or r.last is not None for r in records)
    return "Running" if all(begun) else "Pending"


def _condition(pod: KubernetesObject, kind: str, failing: dict[str, str], now: datetime) -> dict[str, Any]:
    """A condition that holds unless there is something to say against it."""
    known, status = known_condition(pod, kind), "False" if failing else "True"
    kept = known.get("lastTransitionTime") if known.get("status") == status else None
    entry = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": kept or timestamp(now)}
    return entry | failing
