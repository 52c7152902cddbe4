"""The Controller's manifests on each cluster: accepted as they are, and found again unchanged."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from logits_core.reconcile import Anchor, Apply, Desired, Observed, plan
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSISTENT_VOLUME_CLAIMS,
    SERVICES,
    KubernetesClient,
    Resource,
    resource_of,
)
from simulators.cluster_world import SimulatedCluster, language_model, model_deployment, release

pytestmark = pytest.mark.anyio
TOLERATION = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}


async def seen(client: KubernetesClient, namespace: str, world: SimulatedCluster) -> Observed:
    async def named(resource: Resource) -> dict[str, Any]:
        listing = await client.list(resource, namespace=namespace)
        return {item["metadata"]["name"]: item for item in listing.items}

    return dataclasses.replace(
        world.observed(),
        deployments=await named(DEPLOYMENTS),
        services=await named(SERVICES),
        claims=await named(PERSISTENT_VOLUME_CLAIMS),
    )


async def desired(client: KubernetesClient, namespace: str, world: SimulatedCluster) -> Desired:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-anchor", "namespace": namespace}}
    anchor = await client.apply(CONFIG_MAPS, body, field_manager="test")
    limits = dataclasses.replace(
        world.desired().customizations or pytest.fail("the world has limits"),
        labels={"cost-centre": "research"},
        annotations={"example.com/note": "x"},
        tolerations=(TOLERATION,),
        node_selector={"kubernetes.io/os": "linux"},
    )
    return dataclasses.replace(
        world.desired(),
        namespace=namespace,
        anchor=Anchor("logits-anchor", anchor["metadata"]["uid"]),
        customizations=limits,
    )


async def test_what_was_applied_needs_no_second_apply(client: KubernetesClient, namespace: str) -> None:
    world = SimulatedCluster()
    for name, spec in {"small": {"gpus": 0, "memoryMiB": 1000}, "large": {"gpus": 2, "engine": "vllm"}}.items():
        world.entities["languagemodels"][name] = language_model(name, **spec)
        world.entities["modeldeployments"][name] = model_deployment(name, model=name)
    for build in (1, 2):
        world.release = release(build)
        wanted = await desired(client, namespace, world)
        first = plan(await seen(client, namespace, world), wanted, world.now)
        assert first.steps
        for step in first.steps:
            assert isinstance(step, Apply)
            resource = resource_of(step.manifest)
            await client.apply(resource, step.manifest, field_manager="logits-controller", force=True)
        again = plan(await seen(client, namespace, world), wanted, world.now)
        assert [str(step) for step in again.steps] == []
