"""The Console over HTTP, in front of a real Entity DB: pages, switches, live cells, refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from live_server import live
from logits_console.app import create_app, open_world
from logits_console.settings import Settings
from logits_shell.entities import EntityClient
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry
from running_entity_db import starter
from simulators.gateway_pages import gateway_pages

pytestmark = pytest.mark.anyio
SAME_SITE = {"sec-fetch-site": "same-origin"}
MODEL = {"displayName": "Demo", "engine": "llamacpp", "source": "demo.gguf"}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncGenerator[tuple[httpx.AsyncClient, EntityClient], None]:
    """A Console with one model in its catalogue and one deployment."""
    token = tmp_path / "token"
    token.write_text("console-token")
    async with starter(tmp_path)() as database, live(gateway_pages("console-token")) as gateway:
        settings = from_env(
            Settings,
            {
                "LOGITS_ENTITY_DB_URL": database.url,
                "LOGITS_GATEWAY_URL": gateway,
                "LOGITS_API_SERVER_URL": gateway,
                "LOGITS_TOKEN_FILE": str(token),
            },
        )
        telemetry = Telemetry.create("console", settings)
        async with open_world(settings, telemetry) as world, anyio.create_task_group() as group:
            await world.client.create("languagemodels", "demo", MODEL)
            await world.client.create("modeldeployments", "demo", {"model": "demo"})
            for task in (world.deployments.run, world.models.run, world.components.run, world.follow):
                group.start_soon(task)
            for cache in (world.deployments, world.models, world.components):
                await cache.ready.wait()
            async with live(create_app(world, telemetry)) as url, httpx.AsyncClient(base_url=url) as http:
                yield http, world.client
            group.cancel_scope.cancel()


Console = tuple[httpx.AsyncClient, EntityClient]


@pytest.mark.parametrize("path", ["/", "/models", "/playground", "/code", "/audit"])
async def test_every_page_is_complete_and_asks_nobody_else(console: Console, path: str) -> None:
    http, _ = console
    page = await http.get(path, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<h1>" in page.text
    assert "https://" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_the_form_enables_and_disables(console: Console) -> None:
    http, entities = console
    for action, expected in (("enable", True), ("disable", False)):
        answer = await http.post("/models/demo", data={"action": action}, headers=SAME_SITE)
        assert answer.status_code == 303
        assert (await entities.get("modeldeployments", "demo")).spec["enabled"] is expected


async def test_limits_are_saved_and_a_bad_one_is_named(console: Console) -> None:
    http, entities = console
    form = {"action": "scale", "minReplicas": "0", "maxReplicas": "3", "scaleToZeroAfterSeconds": "30"}
    await http.post("/models/demo", data=form, headers=SAME_SITE)
    spec = (await entities.get("modeldeployments", "demo")).spec
    assert (spec["minReplicas"], spec["maxReplicas"]) == (0, 3)
    for bad in ({"minReplicas": "many"}, {"minReplicas": "9"}):
        refused = await http.post("/models/demo", data={"action": "scale", **bad}, headers=SAME_SITE)
        assert refused.status_code == 422
        assert "Replicas" in refused.json()["detail"]
    assert (await entities.get("modeldeployments", "demo")).spec["minReplicas"] == 0


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}])
async def test_a_form_of_another_site_changes_nothing(console: Console, headers: dict[str, str]) -> None:
    http, entities = console
    answer = await http.post("/models/demo", data={"action": "enable"}, headers=headers)
    assert answer.status_code == 403
    assert (await entities.get("modeldeployments", "demo")).spec["enabled"] is False


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("demo", b'{"enabled":true}', 200, '"enabled":true'),
        ("demo", b'{"enbled":true}', 400, "enbled"),
        ("demo", b'{"enabled":"yes"}', 400, "enabled"),
        ("demo", b"{", 400, ""),
        ("demo", b"{}", 422, "nothing to change"),
        ("nobody", b'{"enabled":true}', 404, "nobody"),
    ],
)
async def test_programs_change_models_by_json(console: Console, name: str, body: bytes, status: int, said: str) -> None:
    http, _ = console
    answer = await http.patch(f"/console/models/{name}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert said in answer.text


async def _events(http: httpx.AsyncClient, view: str) -> AsyncGenerator[dict[str, Any], None]:
    async with http.stream("GET", f"/live?view={view}") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                yield msgspec.json.decode(line[6:])


async def test_a_change_shows_on_the_live_page(console: Console) -> None:
    http, entities = console
    with anyio.fail_after(20):
        async with aclosing(_events(http, "models")) as events:
            first = await anext(events)
            assert first["cells"]["m.demo.stage"]["text"] == "Disabled"
            await entities.patch_status(
                "modeldeployments",
                "demo",
                {"stage": "Failed", "conditions": [{"type": "Ready", "status": "False", "message": "no GPU is free"}]},
            )
            second = await anext(events)
    assert second["cells"]["m.demo.stage"] == {"text": "Failed", "state": "bad"}
    assert second["cells"]["m.demo.reason"]["text"] == "no GPU is free"


async def test_the_audit_log_is_shown_and_passed_on(console: Console) -> None:
    http, _ = console
    page = await http.get("/audit", headers={"accept": "text/html"})
    assert "/apis/apps/v1/namespaces/logits/deployments" in page.text
    entries = (await http.get("/audit/entries?after=1&limit=1")).json()
    assert [entry["index"] for entry in entries["entries"]] == [2]


async def test_the_overview_says_what_needs_attention(console: Console) -> None:
    http, entities = console
    await entities.create("components", "collector", {})
    await entities.patch_status("components", "collector", {"replicas": 1, "message": "the image is missing"})
    with anyio.fail_after(20):
        while "the image is missing" not in (page := await http.get("/", headers={"accept": "text/html"})).text:
            pass
    assert "rolled back: the new Controller never became ready" in page.text
