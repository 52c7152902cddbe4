"""A stolen Ops API: its whole store and its online key in the attacker's hands, before a real Gateway."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from logits_core.rollout.release import content_digest
from simulators.gateway_site import Site, gateway_site
from simulators.ops_api import ENVIRONMENT, KEY
from vendor.ops_api import Caller, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def told(ops: Caller, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the environment reports of its release, once it is as wanted."""
    with anyio.fail_after(20):
        while True:
            state = (await ops.operator.get(f"/operator/v1/environments/{ENVIRONMENT}")).json()
            release: dict[str, Any] = state["release"] or {}
            if met(release):
                return release
            await anyio.sleep(0.02)


def version_of(release: dict[str, Any]) -> str:
    found: dict[str, Any] = release.get("running") or {}
    return str(found.get("version", ""))


async def rolled_out(site: Site, ops: Caller, counter: int) -> None:
    await site.controller_runs(counter)
    await site.ready_controller()
    await told(ops, lambda found: version_of(found) == f"0.{counter}.0")


def tamper(folder: Path, statement: str, *values: object) -> None:
    """Change the Ops API's store behind its back."""
    with sqlite3.connect(folder / "ops-api.db", timeout=30) as store:
        store.execute(statement, values)
    store.close()


async def refused(ops: Caller, words: str) -> None:
    ops.app.services.changes.publish(ENVIRONMENT)
    release = await told(ops, lambda found: words in found.get("message", ""))
    assert (release["state"], version_of(release)) == ("Refused", "0.2.0")


def invented(counter: int, image: str) -> str:
    """A release file of the attacker's."""
    document: dict[str, Any] = {"schema": "logits.release/v1", "version": f"0.{counter}.0", "counter": counter}
    images = {"controller": f"localhost/logits/controller@sha256:{image * 64}"}
    return json.dumps(document | {"issuedAt": "2027-01-01T00:00:00Z", "images": images})


async def test_the_compromise_drill(tmp_path: Path) -> None:
    """Arbitrary images, a rollback and a recalled release: the stolen side signs all of it, and none of it runs."""
    store = tmp_path / "ops"
    store.mkdir()
    async with running(store) as ops:
        assert (await ops.announce(ENVIRONMENT, KEY)).status_code == 201
        await ops.publish("0.1.0")
        async with gateway_site(tmp_path, ops_api=ops.url, vendor=ops.desk, clock=ops.clock) as site:
            await rolled_out(site, ops, 1)
            await ops.publish("0.2.0", "0.3.0")
            want = f"/operator/v1/environments/{ENVIRONMENT}/desired"
            assert (await ops.operator.put(want, json={"version": "0.2.0"})).status_code == 200
            await rolled_out(site, ops, 2)

            await _every_trick(ops, store)

            ops.desk.release("0.4.0")
            await ops.publish()
            assert (await ops.operator.put(want, json={"version": "0.4.0"})).status_code == 200
            await rolled_out(site, ops, 4)
            applied = [json.loads(line)["event"] for line in site.audit if b'"name":"logits-controller"' in line]
            changes = [found for found in applied if (found["verb"], found["stage"]) == ("patch", "RequestReceived")]
            assert len(changes) == 3, "of 0.1.0, 0.2.0 and 0.4.0"


async def _every_trick(ops: Caller, store: Path) -> None:
    evil = invented(9, "e")
    tamper(
        store,
        "INSERT INTO releases (version, counter, content, digest, published_at, recalled) "
        "VALUES ('0.9.0', 9, ?, ?, 0, 0)",
        evil,
        content_digest(evil.encode()),
    )
    tamper(store, "UPDATE environments SET desired_version = '0.9.0'")
    await refused(ops, "offline keys don't allow")

    tamper(store, "UPDATE environments SET desired_version = '0.1.0'")
    await refused(ops, "counter")

    tamper(store, "UPDATE releases SET content = ? WHERE version = '0.3.0'", invented(3, "e"))
    tamper(store, "UPDATE environments SET desired_version = '0.3.0'")
    await refused(ops, "offline keys don't allow")

    ops.desk.recall("0.3.0")
    await ops.publish()
    tamper(store, "UPDATE releases SET recalled = 0")
    await refused(ops, "offline keys don't allow")
