"""What ``kubectl get`` prints: the columns of each kind, filled on the server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from logits_local.api.resources import Object

Cells = Callable[[Object, str], list[Any]]
"""The cells after the name, from an object and its age."""


def age(text: str, now: datetime) -> str:
    """The time since a timestamp as kubectl writes it: 45s, 5m10s, 12m, 3h5m, 9h, 2d4h, 12d."""
    if not text:
        return "<unknown>"
    seconds = max(int((now - datetime.fromisoformat(text)).total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def _statuses(pod: Object) -> list[Object]:
    return cast("list[Object]", pod.get("status", {}).get("containerStatuses", []))


def pod_phase(pod: Object) -> str:
    """The STATUS column of a Pod: the most telling reason of its containers, or its phase."""
    status: Object = pod.get("status", {})
    reason: str = status.get("reason") or status.get("phase", "Unknown")
    for held in reversed(_statuses(pod)):
        state: Object = held.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else reason


def _pod(pod: Object, old: str) -> list[Any]:
    statuses, spec = _statuses(pod), pod["spec"]
    ready = f"{sum(bool(held.get('ready')) for held in statuses)}/{len(spec.get('containers', []))}"
    restarts = str(sum(held.get("restartCount", 0) for held in statuses))
    where = [pod.get("status", {}).get("podIP", "<none>"), spec.get("nodeName", "<none>")]
    return [ready, pod_phase(pod), restarts, old, *where, "<none>", "<none>"]


def _images(workload: Object) -> list[Any]:
    containers: list[Object] = workload["spec"].get("template", {}).get("spec", {}).get("containers", [])
    names = ",".join(container["name"] for container in containers)
    return [names, ",".join(container.get("image", "") for container in containers), _selector(workload)]


def _selector(workload: Object) -> str:
    selector: Object = workload["spec"].get("selector", {})
    labels: dict[str, str] = selector.get("matchLabels", selector)
    return ",".join(f"{key}={value}" for key, value in labels.items()) or "<none>"


def _deployment(value: Object, old: str) -> list[Any]:
    status: Object = value.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{value['spec'].get('replicas', 0)}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), old, *_images(value)]


def _replica_set(value: Object, old: str) -> list[Any]:
    status: Object = value.get("status", {})
    counts = [value["spec"].get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [*counts, old, *_images(value)]


def _service(value: Object, old: str) -> list[Any]:
    spec: Object = value["spec"]
    ports = ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports", []))
    return [spec.get("type"), spec.get("clusterIP", "<none>"), "<none>", ports or "<none>", old, _selector(value)]


def _node(value: Object, old: str) -> list[Any]:
    conditions: list[Object] = value.get("status", {}).get("conditions", [])
    ready = next((held["status"] for held in conditions if held["type"] == "Ready"), "Unknown")
    state = {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")
    if value.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = [label.removeprefix(prefix) for label in value["metadata"].get("labels", {}) if label.startswith(prefix)]
    version = value.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
    return [state, ",".join(sorted(roles)) or "<none>", old, version]


def _claim(value: Object, old: str) -> list[Any]:
    spec, status = value["spec"], cast(Object, value.get("status", {}))
    modes = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    held: list[str] = status.get("accessModes", [])
    access = ",".join(modes.get(mode, mode) for mode in held)
    size = status.get("capacity", {}).get("storage", "")
    volume, storage = spec.get("volumeName", ""), spec.get("storageClassName", "")
    return [status.get("phase", ""), volume, size, access, storage, old]


def _event(value: Object, _: str) -> list[Any]:
    about = value.get("involvedObject", {})
    subject = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [value.get("type", ""), value.get("reason", ""), subject, value.get("message", "")]


COLUMNS: dict[str, tuple[tuple[str, ...], Cells]] = {
    "Pod": (
        ("Ready", "Status", "Restarts", "Age", "*IP", "*Node", "*Nominated Node", "*Readiness Gates"),
        _pod,
    ),
    "Deployment": (
        ("Ready", "Up-to-date", "Available", "Age", "*Containers", "*Images", "*Selector"),
        _deployment,
    ),
    "ReplicaSet": (
        ("Desired", "Current", "Ready", "Age", "*Containers", "*Images", "*Selector"),
        _replica_set,
    ),
    "Service": (("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "*Selector"), _service),
    "Node": (("Status", "Roles", "Age", "Version"), _node),
    "PersistentVolumeClaim": (
        ("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "Age"),
        _claim,
    ),
    "Event": (("Type", "Reason", "Object", "Message"), _event),
    "ConfigMap": (("Data", "Age"), lambda value, old: [len(_data(value)), old]),
    "Secret": (("Type", "Data", "Age"), lambda value, old: [value.get("type", ""), len(_data(value)), old]),
    "Namespace": (("Status", "Age"), lambda value, old: [value.get("status", {}).get("phase", ""), old]),
}
"""Kind -> columns after the name (a star marks those of ``-o wide`` only) and their cells."""

_AGE_ONLY: tuple[tuple[str, ...], Cells] = (("Age",), lambda _, old: [old])


def _data(value: Object) -> Object:
    return {**value.get("data", {}), **value.get("binaryData", {})}


def partial(value: Object, suffix: str = "") -> Object:
    """An object's metadata alone."""
    head = {"kind": f"PartialObjectMetadata{suffix}", "apiVersion": "meta.k8s.io/v1"}
    return {**head, "metadata": value.get("metadata", {})}


def table(kind: str, items: list[Object], metadata: Object, include: str, now: datetime) -> Object:
    """The Table of objects of one kind.

    Args:
        kind: their kind.
        items: the objects.
        metadata: list metadata of the answer.
        include: ``Metadata`` (the usual), ``Object`` or ``None``: what each row carries besides its cells.
        now: for ages.
    """
    names, cells = COLUMNS.get(kind, _AGE_ONLY)
    titles = ("Last Seen" if kind == "Event" else "Name", *names)
    definitions = [
        {"name": name.lstrip("*"), "type": "string", "format": "", "description": "", "priority": int(name[0] == "*")}
        for name in titles
    ]
    definitions[0]["format"] = "" if kind == "Event" else "name"
    rows: list[Object] = []
    for value in items:
        old = age(value["metadata"].get("creationTimestamp", ""), now)
        seen = age(value.get("lastTimestamp") or value["metadata"].get("creationTimestamp", ""), now)
        first = seen if kind == "Event" else value["metadata"]["name"]
        row: Object = {"cells": [first, *cells(value, old)]}
        if include != "None":
            row["object"] = value if include == "Object" else partial(value)
        rows.append(row)
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {**head, "columnDefinitions": definitions, "rows": rows}
