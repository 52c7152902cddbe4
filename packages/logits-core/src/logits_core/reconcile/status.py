"""What is written into the statuses of ModelDeployment and Component entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from logits_core.entities.model import JsonObject
from logits_core.reconcile.diagnosis import PodState
from logits_core.reconcile.fields import children, number, text
from logits_core.reconcile.instants import rfc3339
from logits_core.reconcile.manifests import RELEASE_VERSION

_PROGRESS: Final = ("Scheduling", "Starting", "LoadingWeights")
"""Stages on the way to readiness, from the first to the last."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What is known of one model deployment when its status is written.

    Attributes:
        enabled: whether it should run at all.
        replicas: how many should run; 0 while it sleeps.
        pods: what its pods are doing, terminating ones included.
        obstacle: what keeps the Controller from running it: reason and message.
        refused: what Kubernetes says about pods that it couldn't create.
        minimum: replicas below which it counts as degraded.
    """

    enabled: bool
    replicas: int
    pods: Sequence[PodState]
    obstacle: tuple[str, str] | None = None
    refused: str = ""
    minimum: int = 0

    @property
    def ready(self) -> int:
        """Pods that take requests."""
        return sum(pod.ready for pod in self.pods)

    @property
    def living(self) -> list[PodState]:
        """Pods that aren't on their way out."""
        return [pod for pod in self.pods if pod.stage != "Draining"]


def summary(serving: Serving) -> PodState:
    """The stage of the whole deployment, with its reason and what to do."""
    if not serving.enabled or serving.replicas == 0:
        return _stopped(serving)
    if serving.obstacle:
        return PodState("Failed", *serving.obstacle)
    if serving.ready:
        return _serving(serving)
    living = serving.living
    if living:
        # The pod that is furthest on its way says most; troubled ones only speak if all are.
        hopeful = [pod for pod in living if not pod.troubled]
        return max(hopeful, key=lambda pod: _rank(pod.stage)) if hopeful else living[0]
    if serving.refused:
        return PodState(
            "Failed", "PodsRefused", f"Kubernetes lets no pod in: {serving.refused[:600]} Mend what it names."
        )
    return PodState("Scheduling", "Scheduling", "Kubernetes is creating the pods.")


def _stopped(serving: Serving) -> PodState:
    if serving.pods:
        return PodState("Draining", "Draining", f"{len(serving.pods)} replicas finish their requests and stop.")
    if not serving.enabled:
        return PodState("Disabled", "Disabled", "The model is disabled. Enable it to serve requests.")
    return PodState("ScaledToZero", "ScaledToZero", "No replica runs as nobody asks; the next request wakes one.")


def _serving(serving: Serving) -> PodState:
    troubled = next((pod for pod in serving.living if pod.troubled), None)
    if troubled and serving.ready < serving.replicas:
        words = f"{serving.ready} of {serving.replicas} replicas serve. {troubled.message}"
        return PodState("Degraded", troubled.reason, words)
    if serving.ready < serving.minimum:
        words = f"{serving.ready} of {serving.replicas} replicas serve; the others are starting."
        return PodState("Degraded", "ReplicasStarting", words)
    return PodState("Ready", "Ready", f"{serving.ready} of {serving.replicas} replicas serve.")


def _rank(stage: str) -> int:
    return _PROGRESS.index(stage) if stage in _PROGRESS else -1


def deployment_status(entity: JsonObject, serving: Serving, now: datetime) -> JsonObject:
    """The status of a ModelDeployment; equal to the stored one when nothing changed."""
    overall = summary(serving)
    generation: int = entity["metadata"].get("generation", 1)
    before: dict[str, JsonObject] = {
        condition["type"]: condition for condition in children(entity, "status", "conditions")
    }
    serves = overall.stage in ("Ready", "Degraded")
    moving = overall.stage in (*_PROGRESS, "Draining") or (serves and serving.ready < serving.replicas)
    unscheduled = next((pod for pod in serving.living if pod.stage == "Scheduling"), None)
    scheduled = (
        (unscheduled.reason, unscheduled.message, "False")
        if unscheduled
        else ("Scheduled", "Every replica has a node.", "True")
        if serving.living
        else (overall.reason, overall.message, "False")
    )
    rows = (
        ("Ready", "True" if serves else "False", overall.reason, overall.message),
        ("Scheduled", scheduled[2], scheduled[0], scheduled[1]),
        ("Progressing", "True" if moving else "False", overall.reason, overall.message),
    )
    return {
        "stage": overall.stage,
        "replicas": len(serving.living),
        "readyReplicas": serving.ready,
        "desiredReplicas": serving.replicas if serving.enabled else 0,
        "observedGeneration": generation,
        "conditions": [_condition(before.get(row[0]), row, generation, now) for row in rows],
    }


def _condition(before: JsonObject | None, row: tuple[str, str, str, str], generation: int, now: datetime) -> JsonObject:
    kind, status, reason, message = row
    since = rfc3339(now)
    if before and before.get("status") == status:
        since = before.get("lastTransitionTime") or since
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


def component_status(live: JsonObject | None, pods: Sequence[PodState], version: str) -> JsonObject:
    """The status of a Component, but for the time at which it changed.

    Args:
        live: its Deployment, if there is one.
        pods: what its pods are doing.
        version: of the release, for a component that isn't deployed.
    """
    if live is None:
        return {
            "version": version,
            "image": "",
            "replicas": 0,
            "readyReplicas": 0,
            "reason": "NotDeployed",
            "message": "The component isn't deployed yet.",
        }
    reason, message = _component_reason(live, pods)
    return {
        "version": text(live, "metadata", "annotations", RELEASE_VERSION)
        or text(live, "metadata", "labels", "app.kubernetes.io/version"),
        "image": live["spec"]["template"]["spec"]["containers"][0].get("image", ""),
        "replicas": live["spec"].get("replicas", 1),
        "readyReplicas": number(live, "status", "readyReplicas"),
        "reason": reason,
        "message": message,
    }


def _component_reason(live: JsonObject, pods: Sequence[PodState]) -> tuple[str, str]:
    wanted: int = live["spec"].get("replicas", 1)
    ready, updated = number(live, "status", "readyReplicas"), number(live, "status", "updatedReplicas")
    current = number(live, "status", "observedGeneration") >= number(live, "metadata", "generation")
    troubled = next((pod for pod in pods if pod.troubled), None)
    if troubled:
        return troubled.reason, troubled.message
    if current and ready >= wanted <= updated:
        return "Ready", ""
    if ready:
        return "RollingOut", "A new version is taking over."
    first = next((pod for pod in pods if pod.stage not in ("Ready", "Draining")), None)
    return (first.reason, first.message) if first else ("Starting", "The component is starting.")
