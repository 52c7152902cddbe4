"""Entities that only report: Component statuses, and reports whose pod is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.components import COMPONENTS
from logits_core.reconcile.diagnosis import PodState, diagnose
from logits_core.reconcile.drift import covers
from logits_core.reconcile.fields import child
from logits_core.reconcile.instants import instant, rfc3339
from logits_core.reconcile.manifests import COMPONENT
from logits_core.reconcile.state import Desired, Objects, Observed, label
from logits_core.reconcile.status import component_status
from logits_core.reconcile.steps import EntityWrite, earliest

REPORT_GRACE: Final = timedelta(seconds=30)
"""How old a report must be before its pod can be called gone: the pod may only not be seen yet."""

REPORTED: Final = ("gateway", "controller", *(component.name for component in COMPONENTS))
"""Components that have a Component entity."""


def component_states(observed: Observed, desired: Desired) -> dict[str, JsonObject]:
    """The status of each component, without the time of its last change."""
    return {
        name: component_status(
            observed.deployments.get(f"logits-{name}"), _pods_of(observed, name), desired.release.version
        )
        for name in REPORTED
    }


def _pods_of(observed: Observed, component: str) -> list[PodState]:
    return [
        diagnose(pod, None, observed.nodes)
        for _, pod in sorted(observed.pods.items())
        if label(pod, COMPONENT) == component
    ]


def component_writes(observed: Observed, desired: Desired, now: datetime) -> list[EntityWrite]:
    """Component entities that are missing or say something that is no longer so."""
    if observed.components is None:
        return []
    writes: list[EntityWrite] = []
    for name, state in component_states(observed, desired).items():
        entity = observed.components.get(name)
        if entity is None:
            writes.append(EntityWrite("create", "components", name, "it doesn't exist"))
        if not covers(child(entity, "status"), state):
            status = {**state, "observedAt": rfc3339(now)}
            writes.append(EntityWrite("status", "components", name, str(state["reason"]), status))
    return writes


def stale_reports(observed: Observed, now: datetime) -> tuple[list[EntityWrite], datetime | None]:
    """Deletions of LLMServer and Demand entities whose pod is gone, and when to look again."""
    if not observed.pods_current:
        return [], None
    writes: list[EntityWrite] = []
    wake: datetime | None = None
    for plural, reports in (("llmservers", observed.llm_servers), ("demands", observed.demands)):
        for name, report in _orphans(reports or {}, observed.pods):
            metadata = report["metadata"]
            due = (instant(metadata.get("creationTimestamp")) or now) + REPORT_GRACE
            if due > now:
                wake = earliest(wake, due)
                continue
            writes.append(
                EntityWrite("delete", plural, name, "its pod is gone", resource_version=metadata["resourceVersion"])
            )
    return writes, wake


def _orphans(reports: Objects, pods: Objects) -> list[tuple[str, JsonObject]]:
    return [(name, report) for name, report in sorted(reports.items()) if name not in pods]
