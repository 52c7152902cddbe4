"""The Kubernetes client: every verb, every refusal, watches and caches, on each cluster."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import anyio
import pytest

from logits_core.errors import ErrorCode
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NODES,
    KubernetesClient,
    KubernetesError,
    Reflector,
    Timing,
)

pytestmark = pytest.mark.anyio


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_create_read_replace_delete(client: KubernetesClient, namespace: str) -> None:
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"), namespace=namespace)
    assert (await client.get(CONFIG_MAPS, "a", namespace=namespace))["data"] == {"x": "1"}
    made["data"] = {"x": "2"}
    await client.replace(CONFIG_MAPS, made)
    with pytest.raises(KubernetesError) as stale:
        await client.replace(CONFIG_MAPS, made | {"data": {"x": "3"}})
    assert (stale.value.code, stale.value.http_status) == (ErrorCode.CONFLICT, 409)
    await client.delete(CONFIG_MAPS, "a", namespace=namespace, uid=made["metadata"]["uid"])
    with pytest.raises(KubernetesError) as gone:
        await client.get(CONFIG_MAPS, "a", namespace=namespace)
    assert (gone.value.code, gone.value.reason) == (ErrorCode.NOT_FOUND, "NotFound")


async def test_a_taken_name_and_a_dry_run(client: KubernetesClient, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map("dry"), namespace=namespace, dry_run=True)
    await client.create(CONFIG_MAPS, config_map("dry"), namespace=namespace)
    with pytest.raises(KubernetesError) as taken:
        await client.create(CONFIG_MAPS, config_map("dry"), namespace=namespace)
    assert taken.value.code is ErrorCode.ALREADY_EXISTS


async def test_an_invalid_object_names_the_field(client: KubernetesClient, namespace: str) -> None:
    with pytest.raises(KubernetesError) as refused:
        await client.create(CONFIG_MAPS, config_map("Not_A_Name"), namespace=namespace)
    assert refused.value.code is ErrorCode.INVALID
    assert refused.value.field == "metadata.name"
    assert refused.value.causes[0].message


async def test_a_delete_of_another_incarnation_is_a_conflict(client: KubernetesClient, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map("a"), namespace=namespace)
    with pytest.raises(KubernetesError) as refused:
        await client.delete(CONFIG_MAPS, "a", namespace=namespace, uid="00000000-0000-4000-8000-000000000000")
    assert refused.value.code is ErrorCode.CONFLICT


async def test_apply_owns_what_it_says(client: KubernetesClient, namespace: str) -> None:
    body = config_map("a", x="1", y="1") | {"metadata": {"name": "a", "namespace": namespace}}
    first = await client.apply(CONFIG_MAPS, body, field_manager="one")
    again = await client.apply(CONFIG_MAPS, body, field_manager="one")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    other = body | {"data": {"x": "2"}}
    with pytest.raises(KubernetesError) as refused:
        await client.apply(CONFIG_MAPS, other, field_manager="two")
    assert refused.value.code is ErrorCode.CONFLICT
    assert any("data" in cause.field for cause in refused.value.causes)
    await client.apply(CONFIG_MAPS, other, field_manager="two", force=True)
    left = await client.apply(CONFIG_MAPS, body | {"data": {}}, field_manager="one")
    assert left["data"] == {"x": "2"}


async def test_merge_patch_and_status(client: KubernetesClient, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map("a", x="1", y="1"), namespace=namespace)
    patched = await client.merge_patch(CONFIG_MAPS, "a", {"data": {"x": None}}, namespace=namespace)
    assert patched["data"] == {"y": "1"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "none"}},
            "template": {
                "metadata": {"labels": {"app": "none"}},
                "spec": {"containers": [{"name": "none", "image": "none"}]},
            },
        },
    }
    await client.create(DEPLOYMENTS, deployment)
    reported = await client.patch_status(DEPLOYMENTS, "none", {"observedGeneration": 1}, namespace=namespace)
    assert reported["status"]["observedGeneration"] == 1
    assert reported["metadata"]["generation"] == 1


async def test_lists_are_read_in_pages(client: KubernetesClient, namespace: str) -> None:
    for number in range(5):
        await client.create(CONFIG_MAPS, config_map(f"c{number}", {"parity": str(number % 2)}), namespace=namespace)
    listing = await client.list(CONFIG_MAPS, namespace=namespace, label_selector="parity", page=2)
    assert [item["metadata"]["name"] for item in listing.items] == ["c0", "c1", "c2", "c3", "c4"]
    assert listing.items[0]["kind"] == "ConfigMap"
    odd = await client.list(CONFIG_MAPS, namespace=namespace, label_selector="parity=1")
    assert len(odd.items) == 2
    one = await client.list(CONFIG_MAPS, namespace=namespace, field_selector="metadata.name=c3")
    assert len(one.items) == 1


async def test_a_watch_tells_what_happened_after_the_list(client: KubernetesClient, namespace: str) -> None:
    listing = await client.list(CONFIG_MAPS, namespace=namespace, label_selector="watched")
    await client.create(CONFIG_MAPS, config_map("w", {"watched": "yes"}), namespace=namespace)
    await client.merge_patch(CONFIG_MAPS, "w", {"data": {"x": "1"}}, namespace=namespace)
    await client.delete(CONFIG_MAPS, "w", namespace=namespace)
    seen: list[str] = []
    with anyio.fail_after(20):
        watch = client.watch(
            CONFIG_MAPS,
            namespace=namespace,
            resource_version=listing.resource_version,
            label_selector="watched",
        )
        async with aclosing(watch) as events:
            async for event in events:
                if event.type != "BOOKMARK":
                    seen.append(event.type)
                if len(seen) == 3:
                    break
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_watch_ends_when_it_was_asked_to(client: KubernetesClient, namespace: str) -> None:
    listing = await client.list(CONFIG_MAPS, namespace=namespace)
    with anyio.fail_after(20):
        watch = client.watch(
            CONFIG_MAPS,
            namespace=namespace,
            resource_version=listing.resource_version,
            label_selector="watched",
            timeout_seconds=1,
        )
        async with aclosing(watch) as events:
            kinds = {event.type async for event in events}
    assert kinds <= {"BOOKMARK"}


async def test_a_watch_from_a_version_that_is_none_fails_and_does_not_hang(
    client: KubernetesClient, namespace: str
) -> None:
    watch = client.watch(CONFIG_MAPS, namespace=namespace, resource_version="yesterday")
    with anyio.fail_after(20), pytest.raises(KubernetesError) as refused:
        await anext(watch)
    assert refused.value.answered
    assert "yesterday" in refused.value.message


async def test_a_reflector_follows(client: KubernetesClient, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map("before", {"mine": "yes"}), namespace=namespace)
    reflector = Reflector(client, CONFIG_MAPS, namespace=namespace, label_selector="mine=yes", timing=Timing(watch=2.0))

    async def until(names: set[str]) -> None:
        count = -1
        while set(reflector.named()) != names:
            count = await reflector.wait_change(count)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(reflector.run)
            await reflector.synced.wait()
            assert set(reflector.named()) == {"before"}
            await client.create(CONFIG_MAPS, config_map("after", {"mine": "yes"}), namespace=namespace)
            await until({"before", "after"})
            await client.delete(CONFIG_MAPS, "before", namespace=namespace)
            await until({"after"})
            await client.merge_patch(
                CONFIG_MAPS, "after", {"metadata": {"labels": {"mine": "no"}}}, namespace=namespace
            )
            await until(set())
            assert reflector.connected
            group.cancel_scope.cancel()


async def test_cluster_scoped_objects(client: KubernetesClient) -> None:
    listing = await client.list(NODES)
    assert all("namespace" not in node["metadata"] for node in listing.items)
    version = await client.get_path("/version")
    assert version["major"] == "1"
    with pytest.raises(ValueError, match="namespace"):
        await client.get(CONFIG_MAPS, "x")
