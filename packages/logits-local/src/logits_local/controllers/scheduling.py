"""The scheduler: which node each new pod goes to, or in the real scheduler's words why to none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from logits_local.controllers.objects import (
    deleting,
    known_condition,
    name,
    namespace,
    part,
    pod_finished,
    timestamp,
    uid,
)
from logits_local.controllers.plan import Bind, Patch, Plan, Step
from logits_shell.kubernetes.resources import PODS, KubernetesObject

_REPELLING = ("NoSchedule", "NoExecute")
_PODS_PER_NODE = 110


def plan_bindings(pods: Iterable[KubernetesObject], nodes: Iterable[KubernetesObject], now: datetime) -> Plan:
    """Bind every pod that fits somewhere and mark the others unschedulable with the reason.

    Only extended resources such as ``nvidia.com/gpu`` are counted: local processes share the CPU
    and memory of one machine, whatever their requests say.

    Args:
        pods: all pods of the cluster.
        nodes: all nodes.
        now: the time, for conditions.
    """
    everyone = [pod for pod in pods if not pod_finished(pod)]
    candidates = sorted(nodes, key=name)
    placed = {name(node): [p for p in everyone if p["spec"].get("nodeName") == name(node)] for node in candidates}
    steps: list[Step] = []
    for pod in sorted(everyone, key=_age):
        if pod["spec"].get("nodeName") or deleting(pod):
            continue
        obstacles = {name(node): _obstacles(pod, node, placed[name(node)]) for node in candidates}
        fitting = [node for node in candidates if not obstacles[name(node)]]
        if not fitting:
            steps += _unschedulable(pod, obstacles, now)
            continue
        best = min(fitting, key=lambda node: _rank(pod, node, placed[name(node)]))
        placed[name(best)].append(pod)
        steps.append(Bind(namespace(pod), name(pod), uid(pod), name(best)))
    return Plan(tuple(steps))


def extended_requests(pod: KubernetesObject) -> dict[str, int]:
    """What a pod's containers ask of countable devices, which come whole; a limit counts as a request."""
    total: dict[str, int] = {}
    for container in pod["spec"].get("containers") or ():
        resources = part(container, "resources")
        asked: dict[str, Any] = {**part(resources, "limits"), **part(resources, "requests")}
        for resource, amount in asked.items():
            if "/" in resource:
                total[resource] = total.get(resource, 0) + int(amount)
    return total


def _age(pod: KubernetesObject) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", name(pod)


def _rank(pod: KubernetesObject, node: KubernetesObject, placed: list[KubernetesObject]) -> tuple[bool, int, str]:
    """Orders fitting nodes: keep devices free for those who ask for them, then spread."""
    offered = {key for key in _allocatable(node) if "/" in key}
    return bool(offered - extended_requests(pod).keys()), len(placed), name(node)


def _allocatable(node: KubernetesObject) -> dict[str, str]:
    return part(node, "status").get("allocatable") or {}


def _obstacles(pod: KubernetesObject, node: KubernetesObject, placed: list[KubernetesObject]) -> list[str]:
    spec, labels = part(node, "spec"), part(node["metadata"], "labels")
    if spec.get("unschedulable"):
        return ["node(s) were unschedulable"]
    for taint in spec.get("taints") or ():
        if taint["effect"] in _REPELLING and not _tolerated(pod, taint):
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
    wanted: dict[str, str] = part(pod["spec"], "nodeSelector")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    if len(placed) >= _PODS_PER_NODE:
        return ["Too many pods"]
    return [
        f"Insufficient {resource}"
        for resource, amount in sorted(extended_requests(pod).items())
        if amount > int(_allocatable(node).get(resource, 0)) - _used(placed, resource)
    ]


def _used(placed: list[KubernetesObject], resource: str) -> int:
    return sum(extended_requests(pod).get(resource, 0) for pod in placed)


def _tolerated(pod: KubernetesObject, taint: dict[str, Any]) -> bool:
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        key = toleration.get("key")
        if toleration.get("operator", "Equal") == "Exists":
            if key in (None, "", taint["key"]):
                return True
        elif key == taint["key"] and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def _unschedulable(pod: KubernetesObject, obstacles: dict[str, list[str]], now: datetime) -> list[Step]:
    counted = Counter(reason for reasons in obstacles.values() for reason in reasons)
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    message = f"0/{len(obstacles)} nodes are available: {reasons}."
    if not obstacles:
        message = "no nodes available to schedule pods"
    known = known_condition(pod, "PodScheduled")
    if known.get("status") == "False" and known.get("message") == message:
        return []
    entry = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": known.get("lastTransitionTime") or timestamp(now),
    }
    others = [c for c in part(pod, "status").get("conditions") or () if c.get("type") != "PodScheduled"]
    status = {"phase": "Pending", "conditions": [*others, entry]}
    return [Patch(PODS, namespace(pod), name(pod), {"status": status}, status=True)]
