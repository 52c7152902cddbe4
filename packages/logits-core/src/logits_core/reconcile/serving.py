"""Plans the LLM Servers: replicas, manifests and status of every model deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.autoscale import Bounds, Load, Scaling, scale
from logits_core.reconcile.demand import loads
from logits_core.reconcile.diagnosis import PodState, diagnose
from logits_core.reconcile.drift import covers
from logits_core.reconcile.fields import child, children, text
from logits_core.reconcile.manifests import MODEL_DEPLOYMENT, site_of
from logits_core.reconcile.models import LLM_SERVER, llm_deployment, llm_deployment_name
from logits_core.reconcile.state import Desired, Observed, ScalingHistory, label
from logits_core.reconcile.status import Serving, deployment_status
from logits_core.reconcile.steps import EntityWrite, earliest

MODEL_DEPLOYMENTS: Final = "modeldeployments"


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What all model deployments together need.

    Attributes:
        known: whether the model deployments are known at all.
        manifests: Deployments that should be.
        kept: kind and name of Deployments that stay as they are.
        statuses: statuses that changed.
        scaling: what autoscaling shall remember.
        wake_at: when to look again.
    """

    known: bool
    manifests: tuple[JsonObject, ...] = ()
    kept: frozenset[tuple[str, str]] = frozenset()
    statuses: tuple[EntityWrite, ...] = ()
    scaling: Mapping[str, ScalingHistory] = field(default_factory=dict[str, ScalingHistory])
    wake_at: datetime | None = None


def plan_models(observed: Observed, desired: Desired, now: datetime) -> ModelPlan:
    """Plan every model deployment; nothing while the Entity DB hasn't been read."""
    if desired.model_deployments is None or desired.language_models is None:
        return ModelPlan(known=False, scaling=observed.memory.scaling)
    load, wake = loads(observed, now)
    pods = _pods_by_deployment(observed)
    cases = [
        _consider(entity, observed, desired, now, load=load.get(name, Load()), pods=pods.get(name, ()))
        for name, entity in sorted(desired.model_deployments.items())
    ]
    return ModelPlan(
        known=True,
        manifests=tuple(case.manifest for case in cases if case.manifest),
        kept=frozenset(("Deployment", case.object_name) for case in cases if case.kept),
        statuses=tuple(case.write for case in cases if case.write),
        scaling={case.name: case.scaling.history for case in cases if case.scaling},
        wake_at=earliest(wake, *(case.scaling.wake_at for case in cases if case.scaling)),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """What one model deployment needs."""

    name: str
    object_name: str
    manifest: JsonObject | None
    kept: bool
    scaling: Scaling | None
    write: EntityWrite | None


def _consider(
    entity: JsonObject,
    observed: Observed,
    desired: Desired,
    now: datetime,
    *,
    load: Load,
    pods: tuple[PodState, ...],
) -> _Case:
    name: str = entity["metadata"]["name"]
    object_name = llm_deployment_name(name)
    live = observed.deployments.get(object_name)
    enabled = bool(entity["spec"].get("enabled")) and not entity["metadata"].get("deletionTimestamp")
    obstacle = _obstacle(entity, desired) if enabled else None
    scaling = (
        scale(
            Bounds.of(entity["spec"]),
            load,
            current=live["spec"].get("replicas", 1) if live else 0,
            ready=sum(pod.ready for pod in pods),
            history=observed.memory.scaling.get(name) if live else None,
            now=now,
            down_after=desired.scale_down_after,
        )
        if enabled
        else None
    )
    serving = Serving(
        enabled=enabled,
        replicas=scaling.replicas if scaling else 0,
        pods=pods,
        obstacle=obstacle,
        refused=_refusal(live),
        minimum=Bounds.of(entity["spec"]).minimum,
    )
    return _Case(
        name=name,
        object_name=object_name,
        manifest=_manifest(entity, desired, scaling.replicas) if scaling and not obstacle else None,
        kept=enabled and obstacle is not None,  # what runs goes on while its description is missing
        scaling=scaling,
        write=_status_write(entity, serving, now),
    )


def _obstacle(entity: JsonObject, desired: Desired) -> tuple[str, str] | None:
    model: str = entity["spec"]["model"]
    if model not in (desired.language_models or {}):
        return (
            "LanguageModelMissing",
            f"There is no LanguageModel {model!r}. Create it, or set spec.model to one that exists.",
        )
    if LLM_SERVER not in desired.release.images:
        return "ReleaseIncomplete", "The running release has no LLM Server. Wait for the next release."
    if site_of(desired) is None:
        return (
            "ChartIncomplete",
            "The ConfigMaps logits-anchor and logits-customizations can't be read. Run helm upgrade.",
        )
    return None


def _manifest(entity: JsonObject, desired: Desired, replicas: int) -> JsonObject | None:
    site = site_of(desired)
    if site is None or desired.language_models is None:
        return None
    model = desired.language_models[entity["spec"]["model"]]
    image = desired.release.images[LLM_SERVER]
    return llm_deployment(entity, model, image=image, replicas=replicas, site=site)


def _pods_by_deployment(observed: Observed) -> dict[str, tuple[PodState, ...]]:
    found: dict[str, tuple[PodState, ...]] = {}
    for name, pod in sorted(observed.pods.items()):
        deployment = label(pod, MODEL_DEPLOYMENT)
        if deployment:
            report = (observed.llm_servers or {}).get(name)
            found[deployment] = (*found.get(deployment, ()), diagnose(pod, report, observed.nodes))
    return found


def _refusal(live: JsonObject | None) -> str:
    for condition in children(live, "status", "conditions"):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return text(condition, "message") or text(condition, "reason")
    return ""


def _status_write(entity: JsonObject, serving: Serving, now: datetime) -> EntityWrite | None:
    status = deployment_status(entity, serving, now)
    if covers(child(entity, "status"), status):  # a newer version may have said more
        return None
    name: str = entity["metadata"]["name"]
    return EntityWrite("status", MODEL_DEPLOYMENTS, name, f"stage {status['stage']}", status)
