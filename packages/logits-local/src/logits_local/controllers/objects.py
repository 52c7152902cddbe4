"""Facts that the controllers read in Kubernetes objects: owners, conditions, readiness, times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from logits_shell.kubernetes.resources import KubernetesObject


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """The time that an RFC 3339 text names; None for none."""
    return datetime.fromisoformat(text) if text else None


def part(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A nested object that may be missing or null; then an empty one."""
    return item.get(key) or {}


def uid(item: KubernetesObject) -> str:
    """The object's uid."""
    return str(item["metadata"]["uid"])


def name(item: KubernetesObject) -> str:
    """The object's name."""
    return str(item["metadata"]["name"])


def namespace(item: KubernetesObject) -> str:
    """The object's namespace."""
    return str(item["metadata"]["namespace"])


def deleting(item: KubernetesObject) -> bool:
    """Whether the object is on its way out."""
    return bool(item["metadata"].get("deletionTimestamp"))


def controller_uid(item: KubernetesObject) -> str | None:
    """The uid of the owner that controls the object."""
    for owner in item["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def condition(item: KubernetesObject, kind: str) -> dict[str, Any] | None:
    """The status condition of this type."""
    for entry in part(item, "status").get("conditions") or ():
        if entry.get("type") == kind:
            return entry
    return None


def known_condition(item: KubernetesObject, kind: str) -> dict[str, Any]:
    """The status condition of this type, or an empty one."""
    return condition(item, kind) or {}


def pod_ready(pod: KubernetesObject) -> bool:
    """Whether the pod's Ready condition is True and it isn't being deleted."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True" and not deleting(pod)


def pod_finished(pod: KubernetesObject) -> bool:
    """Whether all its containers have ended for good."""
    return part(pod, "status").get("phase") in ("Succeeded", "Failed")
