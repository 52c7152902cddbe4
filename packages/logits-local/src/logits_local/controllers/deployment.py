"""The Deployment controller: rolls from one ReplicaSet to the next within the strategy's bounds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from logits_local.controllers.conditions import deployment_status
from logits_local.controllers.objects import (
    controller_uid,
    deleting,
    name,
    namespace,
    part,
    pod_finished,
    uid,
)
from logits_local.controllers.plan import Create, Delete, Patch, Plan, Step
from logits_local.controllers.strategy import ScaledSet, rolling_bounds, rolling_targets
from logits_local.controllers.template import (
    HASH_LABEL,
    REVISION,
    replica_set_manifest,
    template_hash,
)
from logits_shell.kubernetes.resources import DEPLOYMENTS, REPLICA_SETS, KubernetesObject

_HISTORY = 10


def plan_deployment(
    deployment: KubernetesObject,
    replica_sets: Iterable[KubernetesObject],
    pods: Iterable[KubernetesObject],
    now: datetime,
) -> Plan:
    """One step of a rollout and the status that goes with it.

    Args:
        deployment: the Deployment.
        replica_sets: those of its namespace; others than its own are ignored.
        pods: those of its namespace; needed by the Recreate strategy.
        now: the time.
    """
    if deleting(deployment):
        return Plan()
    owned = [item for item in replica_sets if controller_uid(item) == uid(deployment)]
    digest = template_hash(deployment["spec"]["template"])
    current = next((item for item in owned if item["metadata"]["labels"].get(HASH_LABEL) == digest), None)
    old = sorted((item for item in owned if item is not current), key=revision)
    status, wake_at = deployment_status(deployment, current, owned, now)
    steps = _roll(deployment, current, old, pods)
    steps += _trim_history(deployment, old)
    if any(part(deployment, "status").get(key) != value for key, value in status.items()):
        steps.append(Patch(DEPLOYMENTS, namespace(deployment), name(deployment), {"status": status}, status=True))
    return Plan(tuple(steps), wake_at)


def revision(replica_set: KubernetesObject) -> int:
    """The rollout number that a ReplicaSet belongs to; 0 when it carries none."""
    return int(part(replica_set["metadata"], "annotations").get(REVISION, 0))


def _roll(
    deployment: KubernetesObject,
    current: KubernetesObject | None,
    old: list[KubernetesObject],
    pods: Iterable[KubernetesObject],
) -> list[Step]:
    wanted = deployment["spec"]["replicas"]
    recreate = part(deployment["spec"], "strategy").get("type") == "Recreate"
    if recreate and (waiting := _stop_old(old, pods)) is not None:
        return waiting
    number = max((revision(item) for item in old), default=0) + 1
    if current is None:
        room = wanted if recreate else _room(deployment, old)
        return [Create(REPLICA_SETS, replica_set_manifest(deployment, number, max(0, min(room, wanted))))]
    if revision(current) < number:
        # An old template came back: its ReplicaSet becomes the newest revision again.
        metadata = {"metadata": {"annotations": {REVISION: str(number)}}}
        return [Patch(REPLICA_SETS, namespace(current), name(current), metadata)]
    new = ScaledSet.of(current)
    if recreate:
        return _scaled({name(current): wanted}, [new])
    sets = [ScaledSet.of(item) for item in old]
    return _scaled(rolling_targets(wanted, rolling_bounds(deployment), new, sets), [new, *sets])


def _stop_old(old: list[KubernetesObject], pods: Iterable[KubernetesObject]) -> list[Step] | None:
    """Recreate: scale the old ones to nothing and wait for their pods; None when they are gone."""
    sets = [ScaledSet.of(item) for item in old]
    if any(entry.replicas for entry in sets):
        return _scaled({name(item): 0 for item in old}, sets)
    owners = {uid(item) for item in old}
    left = any(controller_uid(pod) in owners and not pod_finished(pod) for pod in pods)
    return [] if left else None


def _room(deployment: KubernetesObject, old: list[KubernetesObject]) -> int:
    wanted = deployment["spec"]["replicas"]
    surge, _ = rolling_bounds(deployment)
    return wanted + surge - sum(ScaledSet.of(item).replicas for item in old)


def _scaled(targets: dict[str, int], sets: list[ScaledSet]) -> list[Step]:
    return [
        Patch(
            REPLICA_SETS,
            namespace(entry.item),
            name(entry.item),
            {"spec": {"replicas": targets[name(entry.item)]}},
        )
        for entry in sets
        if name(entry.item) in targets and targets[name(entry.item)] != entry.replicas
    ]


def _trim_history(deployment: KubernetesObject, old: list[KubernetesObject]) -> list[Step]:
    """Delete the oldest empty ReplicaSets beyond the history limit."""
    limit = int(deployment["spec"].get("revisionHistoryLimit", _HISTORY))
    empty = [
        item for item in old if not (item["spec"]["replicas"] or part(item, "status").get("replicas") or deleting(item))
    ]
    surplus = empty[: max(0, len(empty) - limit)]
    return [Delete(REPLICA_SETS, namespace(item), name(item), uid(item)) for item in surplus]
