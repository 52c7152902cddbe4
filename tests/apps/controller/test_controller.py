"""The Controller end to end: from an empty namespace to models that serve, and back."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from apps.controller.conftest import Install
from live_server import live
from logits_controller.app import Controller
from logits_shell.kubernetes import CONFIG_MAPS, DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES
from simulators.cluster_world import language_model, release

pytestmark = pytest.mark.anyio
PARTS = ["logits-api-server", "logits-collector", "logits-console", "logits-entity-db", "logits-ingress-proxy"]


async def deploy_model(install: Install, **spec: Any) -> None:
    await install.entities.create("languagemodels", "tiny", language_model()["spec"])
    await install.entities.create("modeldeployments", "chat", {"model": "tiny", "enabled": True} | spec)


async def make_pod_ready(install: Install, name: str = "logits-llm-chat") -> None:
    """Play ReplicaSet controller, scheduler and kubelet for one pod."""
    live = await install.kubernetes.get(DEPLOYMENTS, name, namespace="logits")
    template = live["spec"]["template"]
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-0", "namespace": "logits", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    await install.kubernetes.create(PODS, body)
    ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")]
    await install.kubernetes.patch_status(PODS, f"{name}-0", {"conditions": ready}, namespace="logits")


async def stage_is(install: Install, stage: str) -> None:
    def check() -> bool:
        found = install.caches["modeldeployments"].items.get("chat")
        return found is not None and found.status.get("stage") == stage

    await install.until(check, f"stage {stage}")


async def component_is(install: Install, name: str, reason: str) -> None:
    def check() -> bool:
        found = install.caches["components"].items.get(name)
        return found is not None and (found.status.get("reason"), found.status.get("version")) == (reason, "0.1.0")

    await install.until(check, f"component {name} {reason}")


async def deployed(install: Install, names: list[str], *, build: int = 1) -> None:
    images = list(release(build).images.values())

    def check() -> bool:
        found = install.deployments.named()
        return all(name in found and image_of(found[name]) in images for name in names)

    await install.until(check, f"{names} of release {build}")


def image_of(deployment: dict[str, Any]) -> str:
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


async def at_rest(install: Install, controller: Controller) -> None:
    def check() -> bool:
        return controller.loop.last is not None and not controller.loop.last.explain()

    await install.until(check, "a plan without steps")


async def test_components_come_before_the_entity_db_and_models_after_it(install: Install) -> None:
    async with install.controller():
        await deployed(install, PARTS)
        services = await install.kubernetes.list(SERVICES, namespace="logits")
        assert {item["metadata"]["name"] for item in services.items} >= set(PARTS)
        claims = await install.kubernetes.list(PERSISTENT_VOLUME_CLAIMS, namespace="logits")
        assert {item["metadata"]["name"] for item in claims.items} == {"logits-collector", "logits-entity-db"}
        assert all("ownerReferences" not in claim["metadata"] for claim in claims.items)
        owners = install.deployments.named()["logits-console"]["metadata"]["ownerReferences"]
        assert [owner["name"] for owner in owners] == ["logits-anchor"]

        async with install.entity_db():
            await deploy_model(install)
            await stage_is(install, "Scheduling")
            await make_pod_ready(install)
            await stage_is(install, "Ready")
            await component_is(install, "console", "Starting")
            await install.entities.patch("modeldeployments", "chat", {"spec": {"enabled": False}})
            await stage_is(install, "Draining")
            await install.until(lambda: "logits-llm-chat" not in install.deployments.named(), "no Deployment")
            await install.kubernetes.delete(PODS, "logits-llm-chat-0", namespace="logits", grace_seconds=0)
            await stage_is(install, "Disabled")


async def test_the_entity_db_is_found_as_soon_as_its_pod_is_ready(install: Install) -> None:
    async with install.controller():
        await deployed(install, PARTS)
        async with install.entity_db():
            for ready in (0, 1, 0, 1):
                await install.kubernetes.patch_status(
                    DEPLOYMENTS, "logits-entity-db", {"readyReplicas": ready}, namespace="logits"
                )
            await deploy_model(install)
            await stage_is(install, "Scheduling")


async def test_it_rests_when_nothing_that_matters_changes(install: Install) -> None:
    async with install.controller() as controller, install.entity_db():
        await deploy_model(install)
        await stage_is(install, "Scheduling")
        await at_rest(install, controller)
        writes, rounds = len(install.gateway.writes), controller.loop.rounds.count
        await install.kubernetes.merge_patch(
            DEPLOYMENTS, "logits-console", {"metadata": {"labels": {"note": "x"}}}, namespace="logits"
        )
        await install.until(lambda: controller.loop.rounds.count > rounds, "another round")
        await at_rest(install, controller)
        assert len(install.gateway.writes) == writes


async def test_what_is_changed_by_hand_is_put_right(install: Install) -> None:
    async with install.controller():
        await deployed(install, PARTS)
        await install.kubernetes.merge_patch(
            DEPLOYMENTS, "logits-console", {"spec": {"replicas": 3}}, namespace="logits"
        )

        def right() -> bool:
            live = install.deployments.named()["logits-console"]
            return live["metadata"]["generation"] == 3 and live["spec"]["replicas"] == 1

        await install.until(right, "one replica again")


async def test_a_restarted_controller_goes_on_and_writes_nothing(install: Install) -> None:
    async with install.entity_db():
        async with install.controller() as first:
            await deploy_model(install)
            await stage_is(install, "Scheduling")
            await at_rest(install, first)
        before = len(install.gateway.writes)
        async with install.controller() as again:

            def planned() -> bool:
                return again.loop.last is not None and "chat" in again.loop.last.memory.scaling

            await install.until(planned, "a plan that knows the model")
            await at_rest(install, again)
            assert len(install.gateway.writes) == before


async def test_a_new_release_rolls_and_the_old_controller_stands_back(install: Install) -> None:
    words = msgspec.json.encode(release(2)).decode()
    labels = {"app.kubernetes.io/part-of": "logits", "logits.ai/component": "controller"}
    env = [{"name": "LOGITS_RELEASE", "value": words}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "controller", "image": "x", "env": env}]},
    }
    async with install.controller() as old:
        await deployed(install, PARTS)
        await install.kubernetes.create(
            DEPLOYMENTS,
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "logits-controller", "namespace": "logits", "labels": labels},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
        )
        async with install.controller(release=words) as new:
            await deployed(install, PARTS, build=2)
            await at_rest(install, new)
            writes, rounds = len(install.gateway.writes), old.loop.rounds.count
            await install.kubernetes.merge_patch(
                DEPLOYMENTS, "logits-console", {"metadata": {"labels": {"note": "x"}}}, namespace="logits"
            )
            await install.until(lambda: old.loop.rounds.count > rounds, "the old one has looked")
            assert len(install.gateway.writes) == writes
            assert image_of(install.deployments.named()["logits-console"]) == release(2).images["console"]


async def test_scaling_to_zero_and_back_by_demand(install: Install) -> None:
    async with install.controller(), install.entity_db():
        await deploy_model(install, minReplicas=0, maxReplicas=2, scaleToZeroAfterSeconds=1)
        await stage_is(install, "ScaledToZero")
        waiting = {"chat": {"inFlight": 0, "waiting": 1}}
        spec = {"models": waiting, "observedAt": "2999-01-01T00:00:00Z"}
        await install.entities.create("demands", "logits-api-server-0", spec)
        await stage_is(install, "Scheduling")
        await make_pod_ready(install)
        await stage_is(install, "Ready")
        calm = {"models": {"chat": {"inFlight": 0, "waiting": 0}}}
        await install.entities.patch("demands", "logits-api-server-0", {"spec": calm})
        await stage_is(install, "Draining")
        assert install.deployments.named()["logits-llm-chat"]["spec"]["replicas"] == 0


async def test_the_vendor_hears_counts_at_a_change(install: Install) -> None:
    async with install.controller(), install.entity_db():
        await deploy_model(install)

        def told() -> bool:
            counts = {"enabled": 1, "ready": 0}
            return any(report.get("models") == counts for report in install.gateway.reports)

        await install.until(told, "a report that counts the model")
    sequences = [report["sequence"] for report in install.gateway.reports]
    assert sequences == sorted(set(sequences))
    assert "chat" not in str(install.gateway.reports)
    assert "tiny" not in str(install.gateway.reports)


async def test_reports_that_cannot_be_delivered_hinder_nothing(install: Install) -> None:
    install.gateway.refuse_reports = True
    async with install.controller(), install.entity_db():
        await install.until(lambda: install.gateway.refused > 0, "a refused report")
        await deploy_model(install)
        await stage_is(install, "Scheduling")
    assert install.gateway.reports == []


async def test_a_refused_step_is_retried_and_keeps_the_controller_unready(install: Install) -> None:
    install.gateway.refused_names.add("logits-console")
    async with install.controller():
        others = [name for name in PARTS if name != "logits-console"]
        await deployed(install, others)
        await install.until(lambda: "reconcile" in install.health.explain(), "unready")
        install.gateway.refused_names.clear()
        await deployed(install, PARTS)
        await install.until(lambda: install.health.ready, "ready")


async def test_the_last_plan_can_be_read(install: Install) -> None:
    async with install.controller() as controller, live(controller.asgi) as url:
        await deployed(install, PARTS)
        await at_rest(install, controller)
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.get(f"{url}/plan")
            missing = await browser.get(f"{url}/nothing")
    assert answer.json() == {"steps": [], "wakeAt": None}
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


async def test_without_the_charts_objects_nothing_is_written(install: Install) -> None:
    await install.kubernetes.delete(CONFIG_MAPS, "logits-customizations", namespace="logits")
    async with install.controller() as controller, install.entity_db():
        await deploy_model(install)
        await stage_is(install, "Failed")
        await at_rest(install, controller)
    assert install.gateway.writes == []
    found = install.caches["modeldeployments"].items["chat"]
    assert "helm upgrade" in found.status["conditions"][0]["message"]
