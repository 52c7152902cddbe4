"""Facts that the controllers read in Kubernetes objects: owners, conditions, readiness, times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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


def available_at(pod: KubernetesObject, min_ready_seconds: int) -> datetime | None:
    """When a ready pod counts as available; None while it isn't ready."""
    if not pod_ready(pod):
        return None
    since = moment(known_condition(pod, "Ready").get("lastTransitionTime"))
    start = since or datetime.fromtimestamp(0, UTC)
    return start + timedelta(seconds=min_ready_seconds)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a label selector's matchLabels and matchExpressions hold for these labels.

    An empty or missing selector selects nothing here: our objects always name what they own.
    """
    wanted: dict[str, str] = part(selector or {}, "matchLabels")
    expressions: list[dict[str, Any]] = (selector or {}).get("matchExpressions") or []
    have = labels or {}
    if not wanted and not expressions:
        return False
    if any(have.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression_holds(expression, have) for expression in expressions)


def _expression_holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
