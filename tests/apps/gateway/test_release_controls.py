"""The customer's word through the whole Gateway: it holds at once, shows its reason, and beats the vendor's."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.gateway.test_chain import running
from logits_core.rollout import Offer
from logits_core.rollout.controls import APPROVAL, approve
from logits_gateway.adapters.state_file import StateFile
from logits_shell.kubernetes import CONFIG_MAPS
from simulators.gateway_site import NAMESPACE, Site, gateway_site
from simulators.ops_api import ENVIRONMENT

pytestmark = pytest.mark.anyio
LIMITS = "logits-customizations"


class Clock:
    """Seconds since the epoch, with a shift."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.time() + self.shift


@asynccontextmanager
async def site_with_a_release(path: Path, **options: Any) -> AsyncGenerator[Site]:
    async with gateway_site(path, **options) as site:
        await running(site, 1)
        yield site


async def decree(site: Site, **controls: Any) -> None:
    """Change what the customer decided, as helm upgrade or kubectl would."""
    patch = {"data": {"releases": json.dumps(controls)}}
    await site.admin.merge_patch(CONFIG_MAPS, LIMITS, patch, namespace=NAMESPACE)


async def held(site: Site, words: str) -> dict[str, Any]:
    """Wait until the vendor is told that a release waits; the customer's own view of the plan."""
    report = await site.reported(
        lambda found: found["release"]["state"] == "Held" and words in found["release"]["message"]
    )
    assert report["release"]["running"]["counter"] == 1
    assert "releasePlan" not in json.dumps(report), "the plan's details are the customer's"
    async with await console(site) as client:
        return (await client.get("/status")).json()["releasePlan"]


async def console(site: Site) -> httpx.AsyncClient:
    """A Console of its own, whose token outlives a clock that is moved."""
    pod = await site.pod(f"logits-console-{secrets.token_hex(4)}", "console")
    return site.client(await site.token(pod, seconds=86_400))


async def test_a_freeze_holds_and_its_end_lets_go(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path) as site:
        await decree(site, freeze=True)
        site.ops.want(site.signed(2, reason="mends a leak"))
        plan = await held(site, "froze")
        assert (plan["version"], plan["action"], plan["reason"]) == ("0.2.0", "wait", "mends a leak")
        assert plan["images"]["console"].startswith("localhost/logits/console@sha256:")
        await decree(site)
        await site.controller_runs(2)


async def test_a_pin_keeps_others_out(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path) as site:
        await decree(site, pin="0.1")
        site.ops.want(site.signed(2))
        await held(site, "pinned")
        await decree(site, pin="0.2")
        await site.controller_runs(2)


async def test_a_window_tells_when_it_will_open(tmp_path: Path) -> None:
    clock = Clock()
    async with site_with_a_release(tmp_path, clock=clock) as site:
        opens = time.gmtime(clock() + 12 * 3600)
        await decree(site, windows=[{"start": time.strftime("%H:%M", opens), "hours": 1}])
        site.ops.want(site.signed(2))
        plan = await held(site, "maintenance window")
        assert plan["until"].startswith(time.strftime("%Y-%m-%dT%H:%M:00", opens))
        clock.shift = 12 * 3600 + 60
        # The vendor's word of noon has run out by midnight; a fresh one comes with the next answer.
        word = site.vendor.director("0.2.0", environment=ENVIRONMENT, life=timedelta(hours=20))
        content = site.vendor.contents["releases/0.2.0.json"].decode()
        site.ops.want(Offer(site.vendor.images(), word, content))
        await site.controller_runs(2)


async def test_an_approval_is_asked_for_and_found(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    async with site_with_a_release(tmp_path) as site:
        await decree(site, approval={"keys": [public]})
        site.ops.want(site.signed(2))
        plan = await held(site, "approval")
        stranger = approve(Ed25519PrivateKey.generate(), ENVIRONMENT, plan["sha256"])
        signature = approve(key, ENVIRONMENT, plan["sha256"])
        patch = {"metadata": {"annotations": {APPROVAL: f"{stranger} {signature}"}}}
        await site.admin.merge_patch(CONFIG_MAPS, LIMITS, patch, namespace=NAMESPACE)
        await site.controller_runs(2)
        begun = [json.loads(line)["event"] for line in site.audit if b'"verb":"release"' in line]
        assert begun[-1]["annotations"]["logits.ai/sha256"] == plan["sha256"]


async def test_controls_that_make_no_sense_stop_changes_only(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path) as site:
        await decree(site, windows=[{"start": "02:00", "hours": 1, "timeZone": "Nowhere"}])
        site.ops.want(site.signed(2))
        await held(site, "can't be read")
        await decree(site)
        await site.controller_runs(2)


async def test_expired_metadata_changes_nothing_and_stops_nothing(tmp_path: Path) -> None:
    clock = Clock()
    async with site_with_a_release(tmp_path, clock=clock) as site:
        await decree(site, freeze=True)
        site.ops.want(site.signed(2))
        await held(site, "froze")
        clock.shift = 7 * 3600
        await decree(site)
        report = await site.reported(lambda found: "expired" in found["release"]["message"])
        assert (report["release"]["state"], report["release"]["running"]["counter"]) == ("Held", 1)
        async with await console(site) as client:
            found = (await client.get("/status")).json()
        assert found["releasePlan"]["action"] == "wait"
        assert found["vendorWordExpires"] < datetime.fromtimestamp(clock(), UTC).isoformat()


async def test_a_restart_without_the_vendor_keeps_all_that_was_verified(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path) as site:
        pass
    state = StateFile(site.data, site.vendor.pins)
    assert state.progress.accepted is not None
    assert state.progress.accepted == state.progress.good
    assert (state.progress.floor, state.trusted.images.root_version) == (1, 1)
    assert state.trusted.expires() is not None


async def test_the_roll_back_needs_no_vendor_and_no_window(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path, deadline=1.0) as site:
        site.ops.want(site.signed(2))
        await site.controller_runs(2)
        site.ops.away = True
        site.ops.ring()
        await decree(site, freeze=True)
        await site.ready_controller(ready=False)
        await site.controller_runs(1)


async def test_a_recalled_release_is_not_rolled_back_to(tmp_path: Path) -> None:
    async with site_with_a_release(tmp_path, deadline=1.0) as site:
        site.vendor.recall("0.1.0")
        site.ops.want(site.signed(2))
        await site.controller_runs(2)
        await site.ready_controller(ready=False)
        report = await site.reported(lambda found: "no earlier release may run" in found["release"]["message"])
        assert report["release"]["state"] == "RollingOut"
        await site.ready_controller()
        await site.reported(lambda found: found["release"]["state"] == "Ready")


async def test_the_clock_may_be_a_year_slow(tmp_path: Path) -> None:
    clock = Clock()
    async with site_with_a_release(tmp_path, clock=clock) as site:
        old = site.signed(1)
        await running(site, 2)
        clock.shift = -365 * 86_400
        site.ops.want(old)
        await site.reported(lambda found: "older than what was seen" in found["release"]["message"])
        with anyio.fail_after(10):
            assert (await site.controller())["spec"]["template"]["metadata"]["labels"][
                "logits.ai/release-counter"
            ] == "2"
