"""The rollout through the whole Gateway: forward, back, refused, and calm while the vendor is away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from logits_core.rollout import Offer
from logits_shell.kubernetes import DEPLOYMENTS
from simulators.gateway_site import NAMESPACE, Site, gateway_site, image
from simulators.ops_api import ENVIRONMENT
from simulators.vendor_desk import VendorDesk

pytestmark = pytest.mark.anyio


async def running(site: Site, counter: int) -> None:
    """Publish a release and let its Controller become ready."""
    site.ops.want(site.signed(counter))
    await site.controller_runs(counter)
    await site.ready_controller()
    await site.reported(lambda found: found["release"]["state"] == "Ready" and _counter(found) == counter)


def _counter(report: dict[str, Any]) -> int:
    running: dict[str, Any] = report["release"]["running"] or {}
    return int(running.get("counter", 0))


async def test_a_signed_release_becomes_a_running_controller(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site:
        await running(site, 1)
        live = await site.controller()
        pod = live["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == image("controller", "0.1.0")
        assert pod["serviceAccountName"] == "logits-component"
        environment = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
        assert json.loads(environment["LOGITS_RELEASE"] or "")["counter"] == 1
        assert live["metadata"]["ownerReferences"][0]["name"] == "logits-anchor"
        assert site.ops.registrations[0]["gatewayVersion"] == "0.1.0"
        own = [json.loads(line)["event"] for line in site.audit]
        changes = [e for e in own if e["verb"] == "patch" and e["stage"] == "RequestReceived"]
        applied = [e for e in changes if e["objectRef"]["resource"] == "deployments"]
        assert applied[0]["annotations"]["logits.ai/rule"] == "gateway-controller-write"
        egress = [e for e in own if e["annotations"].get("logits.ai/egress-sha256")]
        assert {e["requestURI"].rsplit("/", 1)[-1] for e in egress} == {"registration", "reports"}
        assert b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" not in b"".join(site.audit)
        assert site.verified().problem == ""


async def test_a_release_that_never_becomes_ready_is_rolled_back(tmp_path: Path) -> None:
    async with gateway_site(tmp_path, deadline=1.0) as site:
        await running(site, 1)
        site.ops.want(site.signed(2))
        await site.controller_runs(2)
        await site.ready_controller(ready=False)
        await site.controller_runs(1)
        await site.ready_controller()
        report = await site.reported(
            lambda report: report["release"]["state"] == "RolledBack" and bool(report["release"]["running"])
        )
        assert report["release"]["desired"]["counter"] == 2
        assert report["release"]["running"]["counter"] == 1
        assert "did not become ready" in report["release"]["message"]
        await running(site, 3)


async def test_forged_and_old_releases_are_refused_and_the_running_one_stays(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site:
        await running(site, 2)
        before = await site.controller()
        stranger = VendorDesk.begin(tmp_path / "stranger", clock=lambda: datetime.now(UTC))
        stranger.release("0.3.0")
        offers: list[tuple[Offer | bytes, str]] = [
            (stranger.offer("0.3.0", environment=ENVIRONMENT), "not signed"),
            (site.signed(1), "counter"),
            (site.vendor.offer("0.9.0", environment=ENVIRONMENT), "offline keys don't allow"),
            (site.vendor.offer("0.3.0", environment="6f6f2b1e-9a39-4a36-9d0a-5d2f4a3a7b11"), "another environment"),
            (b'{"release": 5}', "can't be read"),
        ]
        for offer, words in offers:
            site.ops.want(offer)
            report = await site.reported(
                lambda report, words=words: (
                    report["release"]["state"] == "Refused" and words in report["release"]["message"]
                )
            )
            assert report["release"]["running"]["counter"] == 2
        assert (await site.controller())["metadata"]["generation"] == before["metadata"]["generation"]
        await running(site, 4)


async def test_what_somebody_deletes_comes_back(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site:
        await running(site, 1)
        gone = await site.controller()
        await site.admin.delete(DEPLOYMENTS, "logits-controller", namespace=NAMESPACE)
        with anyio.fail_after(20):
            while (await site.controller_runs(1))["metadata"]["uid"] == gone["metadata"]["uid"]:
                await anyio.sleep(0.01)


async def test_nothing_stops_while_the_vendor_is_away(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site:
        await running(site, 1)
        site.ops.away = True
        site.ops.ring()
        async with await site.caller("console") as console:
            with anyio.fail_after(20):
                while (found := (await console.get("/status")).json())["opsApi"]["reachable"]:
                    await anyio.sleep(0.02)
            assert found["release"]["state"] == "Ready"
            assert found["opsApi"]["message"]
            site.ops.away = False
            site.ops.want(site.signed(2))
            await site.controller_runs(2)
            assert (await console.get("/status")).json()["opsApi"]["reachable"]
