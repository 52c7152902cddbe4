"""Whether the platform's pods are ready and, in words, what the ones that aren't wait for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from logits_local.controllers.objects import deleting, known_condition, part, pod_ready
from logits_shell.kubernetes.resources import KubernetesObject

COMPONENT = "logits.ai/component"


def component(pod: KubernetesObject) -> str:
    """The component that a pod runs; empty for others."""
    return str(part(pod["metadata"], "labels").get(COMPONENT, ""))


def missing(components: Iterable[str], pods: Iterable[KubernetesObject]) -> dict[str, str]:
    """Each component without a ready pod, with what it waits for."""
    everyone = [pod for pod in pods if not deleting(pod)]
    found: dict[str, str] = {}
    for wanted in components:
        own = [pod for pod in everyone if component(pod) == wanted]
        if not any(pod_ready(pod) for pod in own):
            found[wanted] = state(own[-1]) if own else "no pod yet"
    return found


def state(pod: KubernetesObject) -> str:
    """A pod's state in a few words, as kubectl's STATUS column but with the reason."""
    scheduled = known_condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return str(scheduled.get("message", "not scheduled"))
    statuses: list[dict[str, Any]] = part(pod, "status").get("containerStatuses") or []
    for entry in statuses:
        waiting = part(entry, "state").get("waiting")
        if waiting and waiting["reason"] == "CrashLoopBackOff":
            ended = part(entry.get("lastState") or {}, "terminated")
            why = ended.get("message") or f"it ended with {ended.get('exitCode')}, see its log"
            return f"CrashLoopBackOff: {why}"
        if waiting:
            return ": ".join(part for part in (waiting["reason"], waiting.get("message", "")) if part)
    if pod_ready(pod):
        return "ready"
    return "starting" if statuses else "pending"


def restarts(pod: KubernetesObject) -> int:
    """How often its containers were restarted."""
    return sum(int(e["restartCount"]) for e in part(pod, "status").get("containerStatuses") or ())
