"""A running LLM Server for tests: the real app and relay on real ports, with a real engine behind it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from live_server import live
from logits_core.entities.model import Entity
from logits_core.entities.sqlite import SqliteStore
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.app import create_app as create_entity_db
from logits_entity_db.settings import Settings as EntityDbSettings
from logits_llm_server.app import LlmServer, create_app
from logits_llm_server.settings import Settings
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.relay import UpstreamPool
from logits_shell.serve import WaitingServer
from logits_shell.telemetry import Telemetry

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "models"
DEMO = MODELS / "logits-demo" / "logits-demo.gguf"
DEADLINE = 60


@asynccontextmanager
async def _served(app: LlmServer) -> AsyncGenerator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app.asgi, http=app.protocol, log_config=None, loop="none", ws="none", timeout_graceful_shutdown=1
    )
    server = WaitingServer(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()


@dataclass(frozen=True)
class Running:
    """One LLM Server, where it answers, and its reports."""

    url: str
    app: LlmServer
    reports: EntityCache

    def metric(self, name: str, **labels: str) -> float:
        """Current value of a metric, 0 before its first count."""
        return self.app.telemetry.registry.get_sample_value(name, labels) or 0.0

    async def phase(self, *phases: str) -> Entity:
        """Wait until the report in the Entity DB says one of the phases, and return it."""
        with anyio.fail_after(DEADLINE):
            await self.reports.wait_until(
                lambda items: "pod-1" in items and items["pod-1"].status.get("phase") in phases
            )
        return self.reports.items["pod-1"]


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def _entity_db(directory: Path) -> AsyncGenerator[EntityClient]:
    settings = EntityDbSettings.model_validate({"data_directory": directory})
    volume = Volume(directory)
    store = SqliteStore(volume.database)
    try:
        app = create_entity_db(settings, Telemetry.create("entity-db", settings), store, volume)
        async with anyio.create_task_group() as group:
            group.start_soon(app.writer.run)
            async with live(app.asgi) as url, EntityClient(url) as client:
                yield client
                app.watches.close()
            group.cancel_scope.cancel()
    finally:
        store.close()


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an LLM Server; ``model`` changes the model's spec, the other keywords are settings."""

    @asynccontextmanager
    async def run(model: dict[str, Any] | None = None, **values: object) -> AsyncGenerator[Running]:
        spec = {
            "name": "logits-demo",
            "displayName": "Demo",
            "engine": "llamacpp",
            "source": str(DEMO),
            "memoryMiB": 256,
            "contextLength": 2048,
            "parallel": 2,
            **(model or {}),
        }
        settings = Settings.model_validate(
            {"model": json.dumps(spec), "deployment": "demo", "pod_name": "pod-1", "stop_seconds": 2, **values}
        )
        pool = UpstreamPool()
        async with _entity_db(tmp_path) as entities, httpx.AsyncClient(trust_env=False) as http:
            app = create_app(
                settings,
                Telemetry.create("llm-server", settings),
                environment=os.environ,
                cpus=1,
                http=http,
                entities=entities,
                pool=pool,
            )
            cache = EntityCache(entities, "llmservers")
            async with anyio.create_task_group() as group:
                for task in (app.supervisor.run, app.reporter.run, app.readiness.run, cache.run):
                    group.start_soon(task)
                async with _served(app) as url:
                    yield Running(url, app, cache)
                group.cancel_scope.cancel()
            pool.close()

    return run
