"""A running Console for tests, in front of a real Entity DB."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx
import pytest

from live_server import live
from logits_console.app import create_app, open_world
from logits_console.settings import Settings
from logits_shell.entities import EntityClient
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry
from running_entity_db import starter
from simulators.gateway_pages import gateway_pages

SAME_SITE = {"sec-fetch-site": "same-origin"}
MODEL = {"displayName": "Demo", "engine": "llamacpp", "source": "demo.gguf"}

Console = tuple[httpx.AsyncClient, EntityClient]


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
