"""The loop behind the controllers: plan on the caches, look again before acting, then execute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_local.controllers.deployment import plan_deployment
from logits_local.controllers.objects import namespace
from logits_local.controllers.plan import Bind, Create, Delete, Patch, Plan, Step
from logits_local.controllers.replica_set import plan_replica_set
from logits_local.controllers.scheduling import plan_bindings
from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import (
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICA_SETS,
    KubernetesObject,
    Resource,
)
from logits_shell.log import Logger

_RESOURCES = (DEPLOYMENTS, REPLICA_SETS, PODS, NODES)
_LONGEST_RETRY_SECONDS = 5.0
_RACES = (ErrorCode.CONFLICT, ErrorCode.ALREADY_EXISTS, ErrorCode.NOT_FOUND)
"""Answers that mean somebody was faster: the next look at the cluster settles it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the controllers look at."""

    deployments: list[KubernetesObject]
    replica_sets: list[KubernetesObject]
    pods: list[KubernetesObject]
    nodes: list[KubernetesObject]


def plan_cluster(observed: Observed, now: datetime) -> Plan:
    """The plans of all controllers and the scheduler as one."""
    plan = Plan()
    for deployment in observed.deployments:
        near = _within(observed.replica_sets, deployment), _within(observed.pods, deployment)
        plan += plan_deployment(deployment, *near, now)
    for replica_set in observed.replica_sets:
        plan += plan_replica_set(replica_set, _within(observed.pods, replica_set))
    return plan + plan_bindings(observed.pods, observed.nodes, now)


def _within(items: Iterable[KubernetesObject], owner: KubernetesObject) -> list[KubernetesObject]:
    return [item for item in items if namespace(item) == namespace(owner)]


class ControllerLoop:
    """Runs the controllers on one cluster.

    Args:
        client: a client with the cluster administrator's rights.
        caches: reflectors of deployments, replicasets, pods and nodes that ring ``changes``.
        changes: what the caches ring.
        clock: the time in UTC.
        log: where failures are told.
    """

    def __init__(
        self,
        client: KubernetesClient,
        caches: dict[Resource, Reflector],
        changes: Changes,
        *,
        clock: Callable[[], datetime],
        log: Logger,
    ) -> None:
        self._client = client
        self._caches = caches
        self._changes = changes
        self._clock = clock
        self._log = log
        self._closing = False

    def close(self) -> None:
        """Let ``run`` return after the pass that it may be in."""
        self._closing = True
        self._changes.ring()

    async def run(self) -> None:
        """Plan and execute until closed, once per change and whenever a plan asks to be woken."""
        for resource in _RESOURCES:
            await self._caches[resource].synced.wait()
        failures = 0
        while not self._closing:
            seen = self._changes.count
            try:
                plan = await self._pass()
                failures = 0
            except LogitsError as failure:
                failures += 1
                self._log.warning("the controllers failed: {failure}", failure=str(failure))
                await anyio.sleep(min(_LONGEST_RETRY_SECONDS, 0.1 * 2**failures))
                continue
            await self._wait(seen, plan.wake_at)

    async def _wait(self, seen: int, wake_at: datetime | None) -> None:
        pause = None if wake_at is None else max(0.0, (wake_at - self._clock()).total_seconds())
        with anyio.move_on_after(pause):
            await self._changes.wait(seen)

    async def _pass(self) -> Plan:
        plan = plan_cluster(self._cached(), self._clock())
        if any(not (isinstance(step, Patch) and step.status) for step in plan.steps):
            # The caches may lag behind our own last writes; acting on them could make one pod too
            # many. What acts is always planned on a fresh look.
            plan = plan_cluster(await self._fresh(), self._clock())
        for step in plan.steps:
            try:
                await execute(self._client, step)
            except LogitsError as failure:
                if failure.code not in _RACES:
                    raise
        return plan

    def _cached(self) -> Observed:
        return Observed(*(list(self._caches[resource].objects.values()) for resource in _RESOURCES))

    async def _fresh(self) -> Observed:
        return Observed(*[list((await self._client.list(resource)).items) for resource in _RESOURCES])


async def execute(client: KubernetesClient, step: Step) -> None:
    """Do one step.

    Raises:
        LogitsError: what the API server answered.
    """
    match step:
        case Create():
            await client.create(step.resource, step.manifest)
        case Patch():
            await client.merge_patch(
                step.resource,
                step.name,
                step.patch,
                namespace=step.namespace,
                subresource="status" if step.status else None,
            )
        case Delete():
            await client.delete(step.resource, step.name, namespace=step.namespace, uid=step.uid)
        case Bind():
            target = {"apiVersion": "v1", "kind": "Node", "name": step.node}
            metadata = {"name": step.name, "namespace": step.namespace, "uid": step.uid}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
            await client.create_subresource(PODS, step.name, "binding", binding, namespace=step.namespace)
