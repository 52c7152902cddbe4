"""Environments: a key shown once, known to the Ops API, and a checklist that follows the cluster live."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from vendor.accounts import Browser, Vendor, organisation_of, running, shown
from vendor.stores import dump

pytestmark = pytest.mark.anyio

ADA = "ada@example.com"
REGISTRATION = {"gatewayVersion": "0.1.0", "kubernetesVersion": "v1.36.3", "nodes": 2, "gpus": 1}


async def _create(browser: Browser, name: str = "production") -> tuple[str, str]:
    organisation = organisation_of(await browser.get("/"))
    page = await browser.post(f"{organisation}/environments", name=name)
    assert page.status_code == 200, page.text
    return shown(page, "env-id"), shown(page, "env-key")


async def test_the_key_is_shown_once_and_never_stored(vendor: Vendor, tmp_path: Path) -> None:
    browser = await vendor.member(ADA)
    environment, key = await _create(browser)
    assert re.fullmatch(r"[0-9A-Za-z]{8}\.[0-9A-Za-z]{32}", key)
    page = await browser.get(f"/environments/{environment}")
    assert key not in page.text
    assert key[:8] in page.text
    assert environment in shown(page, "install-command")
    await vendor.announced(environment, key)
    for url in (vendor.accounts.services.settings.store_url(), vendor.ops.app.services.settings.store_url()):
        assert environment in dump(url)
        assert key not in dump(url)
    assert not [path for path in tmp_path.rglob("*.db*") if key.encode() in path.read_bytes()]


async def test_the_install_command_is_complete(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    organisation = organisation_of(await browser.get("/"))
    page = await browser.post(f"{organisation}/environments", name="production")
    command = shown(page, "install-command")
    assert command.startswith("helm install logits helm/gateway")
    assert f"--set envID={shown(page, 'env-id')}" in command
    assert f"--set envKey={shown(page, 'env-key')}" in command


async def test_names_are_unique_and_given(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    organisation = organisation_of(await browser.get("/"))
    await _create(browser)
    twice = await browser.post(f"{organisation}/environments", name="production")
    assert twice.status_code == 422
    assert "There is an environment production already" in twice.text
    empty = await browser.post(f"{organisation}/environments", name=" ")
    assert "Give the environment a name" in empty.text


async def test_rotation_replaces_the_key_at_the_ops_api(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    environment, old = await _create(browser)
    gateway = await vendor.announced(environment, old)
    page = await browser.post(f"/environments/{environment}/rotate")
    new = shown(page, "env-key")
    assert new != old
    await vendor.announced(environment, new)
    assert (await gateway.gateway.get(f"{gateway.path}/desired")).status_code == 401


async def test_deleting_needs_the_name_and_reaches_the_ops_api(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    environment, key = await _create(browser)
    gateway = await vendor.announced(environment, key)
    refused = await browser.post(f"/environments/{environment}/delete", confirmation="prod")
    assert refused.status_code == 422
    assert "Type production to confirm" in refused.text
    deleted = await browser.post(f"/environments/{environment}/delete", confirmation="production")
    assert deleted.status_code == 303
    assert (await browser.get(f"/environments/{environment}")).status_code == 404
    with anyio.fail_after(20):
        while (await gateway.gateway.get(f"{gateway.path}/desired")).status_code != 401:
            await anyio.sleep(0.02)


async def test_strangers_cannot_see_follow_or_change_it(vendor: Vendor) -> None:
    environment, _ = await _create(await vendor.member(ADA))
    stranger = await vendor.member("stranger@example.com", "Elsewhere")
    assert (await stranger.get(f"/environments/{environment}")).status_code == 404
    assert (await stranger.get(f"/environments/{environment}/events")).status_code == 404
    assert (await stranger.post(f"/environments/{environment}/rotate")).status_code == 404
    delete = await stranger.post(f"/environments/{environment}/delete", confirmation="production")
    assert delete.status_code == 404


@asynccontextmanager
async def _events(browser: Browser, environment: str) -> AsyncGenerator[AsyncGenerator[tuple[str, Any]]]:
    async with browser.client.stream("GET", f"/environments/{environment}/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def events() -> AsyncGenerator[tuple[str, Any]]:
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

        async with aclosing(events()) as found:
            yield found


async def _until(events: AsyncGenerator[tuple[str, Any]], step: str, status: str) -> dict[str, Any]:
    async for name, data in events:
        if name == "checklist":
            rows = {row["step"]: row for row in data["rows"]}
            if rows[step]["status"] == status:
                return rows
    raise AssertionError("the stream ended")


async def test_the_checklist_turns_green_live(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    environment, key = await _create(browser)
    gateway = await vendor.announced(environment, key)
    post = gateway.gateway.post
    await vendor.ops.publish("0.1.0")
    with anyio.fail_after(30):
        async with _events(browser, environment) as events:
            rows = await _until(events, "gateway", "waiting")
            assert [row["status"] for row in rows.values()] == ["ok"] + ["waiting"] * 5
            await post(f"{gateway.path}/registration", json=REGISTRATION)
            rows = await _until(events, "gateway", "ok")
            assert rows["hardware"]["status"] == "ok"
            running = {"version": "0.1.0", "counter": 1}
            release = {"desired": running, "running": running, "state": "Ready", "message": ""}
            await post(f"{gateway.path}/reports", json={"sequence": 1, "release": release})
            assert "0.1.0" in (await _until(events, "controller", "ok"))["controller"]["detail"]
            names = ("controller", "entity-db", "console", "api-server", "collector", "ingress-proxy")
            components = [{"name": n, "version": "0.1.0", "replicas": 1, "readyReplicas": 1} for n in names]
            await post(f"{gateway.path}/reports", json={"sequence": 2, "components": components})
            await _until(events, "components", "ok")
            models = {"enabled": 1, "ready": 1}
            await post(f"{gateway.path}/reports", json={"sequence": 3, "models": models})
            rows = await _until(events, "model", "ok")
            assert {row["status"] for row in rows.values()} == {"ok"}
        # The browser has left: what followed on its behalf ends too.
        while vendor.accounts.services.followers.borrowed_tokens:
            await anyio.lowlevel.checkpoint()


async def test_a_refused_release_shows_its_reason(vendor: Vendor) -> None:
    browser = await vendor.member(ADA)
    environment, key = await _create(browser)
    gateway = await vendor.announced(environment, key)
    release = {"state": "Refused", "message": "The signature does not hold."}
    await gateway.gateway.post(f"{gateway.path}/reports", json={"sequence": 1, "release": release})
    with anyio.fail_after(20):
        async with _events(browser, environment) as events:
            rows = await _until(events, "controller", "failed")
    assert rows["controller"]["detail"] == "The signature does not hold."


async def test_without_the_ops_api_pages_work_and_say_so(tmp_path: Path) -> None:
    async with running(tmp_path, ops_api_url="http://127.0.0.1:1") as vendor:
        browser = await vendor.member(ADA)
        environment, _ = await _create(browser)
        assert (await browser.get(f"/environments/{environment}")).status_code == 200
        with anyio.fail_after(20):
            async with _events(browser, environment) as events:
                name, data = await anext(events)
        assert name == "unreachable"
        assert "cannot be reached" in data["message"]


async def test_live_pages_are_bounded(tmp_path: Path) -> None:
    async with running(tmp_path, max_followers=1) as vendor:
        browser = await vendor.member(ADA)
        environment, key = await _create(browser)
        await vendor.announced(environment, key)
        with anyio.fail_after(20):
            async with _events(browser, environment) as first:
                await anext(first)
                async with _events(browser, environment) as second:
                    name, _ = await anext(second)
        assert name == "unreachable"
        assert vendor.metric("logits_accounts_followers_refused_total") == 1
