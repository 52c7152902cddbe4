"""The Controller's decision: from what is and what should be to the steps in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.components import component_objects
from logits_core.reconcile.drift import covers, same_manifest, with_fingerprint
from logits_core.reconcile.manifests import COMPONENT, CONTROLLER, MANAGED_BY, site_of
from logits_core.reconcile.models import LLM_SERVER
from logits_core.reconcile.reports import component_writes, stale_reports
from logits_core.reconcile.serving import ModelPlan, plan_models
from logits_core.reconcile.state import Desired, Memory, Objects, Observed, label
from logits_core.reconcile.steps import Apply, Delete, EntityWrite, Plan, earliest

CORRECTION_PAUSE: Final = timedelta(seconds=60)
"""How often an object that somebody else keeps changing is put right."""


def plan(observed: Observed, desired: Desired, now: datetime) -> Plan:
    """Decide what to do now.

    The same world gives no steps: nothing is written that already is as it should be. Only
    objects with the Controller's own label are ever deleted, volumes never, and LLM Servers only
    when the Entity DB's model deployments are known.

    Args:
        observed: the caches' contents and the memory of the last plan.
        desired: the release, the customer's limits and the entities.
        now: the time.
    """
    models = plan_models(observed, desired, now)
    steps, corrected, wake = _kubernetes_steps(observed, desired, models, now)
    writes: list[EntityWrite] = [*models.statuses]
    writes += component_writes(observed, desired, now)
    gone, gone_wake = stale_reports(observed, now)
    memory = Memory(models.scaling, corrected)
    return Plan(tuple(steps), (*writes, *gone), memory, earliest(models.wake_at, wake, gone_wake))


def _kubernetes_steps(
    observed: Observed, desired: Desired, models: ModelPlan, now: datetime
) -> tuple[list[Apply | Delete], Mapping[tuple[str, str], datetime], datetime | None]:
    site = site_of(desired)
    if site is None:
        return [], observed.memory.corrected, None
    wanted = [with_fingerprint(manifest) for manifest in (*component_objects(desired.release, site), *models.manifests)]
    corrected = {key: at for key, at in observed.memory.corrected.items() if now - at < CORRECTION_PAUSE}
    steps: list[Apply | Delete] = []
    wake: datetime | None = None
    for manifest in wanted:
        why = _why_apply(_live(observed, manifest), manifest)
        key = (manifest["kind"], manifest["metadata"]["name"])
        if why == _CHANGED_BY_OTHERS:
            if key in corrected:
                wake = earliest(wake, corrected[key] + CORRECTION_PAUSE)
                continue
            corrected[key] = now
        if why:
            steps.append(Apply(manifest, why))
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    steps += _prune(observed, names | models.kept, models_known=models.known)
    return steps, corrected, wake


_CHANGED_BY_OTHERS: Final = "somebody else changed it"


def _why_apply(live: JsonObject | None, manifest: JsonObject) -> str:
    if live is None:
        return "it doesn't exist"
    if manifest["kind"] == "PersistentVolumeClaim":
        return ""  # a claim can't be changed after its creation, and its data is worth more than its size
    if not same_manifest(live, manifest):
        return "it should be different now"
    return "" if covers(live, manifest) else _CHANGED_BY_OTHERS


def _live(observed: Observed, manifest: JsonObject) -> JsonObject | None:
    return _objects(observed)[manifest["kind"]].get(manifest["metadata"]["name"])


def _objects(observed: Observed) -> Mapping[str, Objects]:
    return {
        "Deployment": observed.deployments,
        "Service": observed.services,
        "PersistentVolumeClaim": observed.claims,
    }


def _prune(observed: Observed, wanted: Iterable[tuple[str, str]], *, models_known: bool) -> list[Delete]:
    keep = frozenset(wanted)
    steps: list[Delete] = []
    for kind, api_version in (("Deployment", "apps/v1"), ("Service", "v1")):
        for name, live in sorted(_objects(observed)[kind].items()):
            ours = label(live, MANAGED_BY) == CONTROLLER and not live["metadata"].get("deletionTimestamp")
            decided = models_known or label(live, COMPONENT) != LLM_SERVER
            if ours and decided and (kind, name) not in keep:
                steps.append(Delete(api_version, kind, name, live["metadata"]["uid"], "nothing asks for it"))
    return steps
