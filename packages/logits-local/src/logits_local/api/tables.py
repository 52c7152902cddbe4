"""What ``kubectl get`` prints: the columns of each kind, filled on the server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from logits_local.api.resources import Object

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(text: str, now: datetime) -> str:
    """The time since a timestamp in its largest unit: 45s, 12m, 9h, 12d."""
    if not text:
        return "<unknown>"
    seconds = max(int((now - datetime.fromisoformat(text)).total_seconds()), 0)
    unit, size = next((unit for unit in _UNITS if seconds >= unit[1]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _status(value: Object, name: str, missing: Any = "") -> Any:
    return value.get("status", {}).get(name, missing)


def _containers(pod: Object) -> list[Object]:
    return cast("list[Object]", _status(pod, "containerStatuses", []))


def pod_phase(pod: Object) -> str:
    """The STATUS column of a Pod: the most telling reason of its containers, or its phase."""
    reason: str = _status(pod, "phase", "Unknown")
    for held in reversed(_containers(pod)):
        state: Object = held.get("state", {})
        waiting, ended = state.get("waiting", {}), state.get("terminated", {})
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else reason


def _ready_containers(pod: Object) -> str:
    ready = sum(bool(held.get("ready")) for held in _containers(pod))
    return f"{ready}/{len(pod['spec'].get('containers', []))}"


def _node_state(node: Object) -> str:
    conditions: list[Object] = _status(node, "conditions", [])
    ready = any(held["type"] == "Ready" and held["status"] == "True" for held in conditions)
    return "Ready" if ready else "NotReady"


COLUMNS: dict[str, dict[str, Callable[[Object], Any]]] = {
    "Pod": {
        "Ready": _ready_containers,
        "Status": pod_phase,
        "Restarts": lambda pod: str(sum(held.get("restartCount", 0) for held in _containers(pod))),
    },
    "Deployment": {
        "Ready": lambda value: f"{_status(value, 'readyReplicas', 0)}/{value['spec'].get('replicas', 0)}",
        "Up-to-date": lambda value: _status(value, "updatedReplicas", 0),
        "Available": lambda value: _status(value, "availableReplicas", 0),
    },
    "Node": {"Status": _node_state},
}
"""Kind -> columns between name and age, with what they show; other kinds have none."""


def partial(value: Object) -> Object:
    """An object's metadata alone."""
    head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**head, "metadata": value.get("metadata", {})}


def table(kind: str, items: list[Object], metadata: Object, now: datetime) -> Object:
    """The Table of objects of one kind.

    Args:
        kind: their kind.
        items: the objects.
        metadata: list metadata of the answer.
        now: for ages.
    """
    columns = COLUMNS.get(kind, {})
    column = {"type": "string", "format": "", "description": "", "priority": 0}
    definitions = [{**column, "name": name} for name in ("Name", *columns, "Age")]
    rows: list[Object] = []
    for value in items:
        old = age(value["metadata"].get("creationTimestamp", ""), now)
        cells = [value["metadata"]["name"], *(show(value) for show in columns.values()), old]
        rows.append({"cells": cells, "object": partial(value)})
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return {**head, "columnDefinitions": definitions, "rows": rows}
