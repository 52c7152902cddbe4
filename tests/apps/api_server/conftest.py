"""A running API Server for tests: the real app with its loops, a real Entity DB, scripted LLM Servers."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn

from logits_api_server.app import ApiServer, open_app
from logits_api_server.settings import Settings
from logits_shell.entities import EntityClient
from logits_shell.serve import WaitingServer
from logits_shell.telemetry import Telemetry
from running_entity_db import starter
from simulators.scripted_upstream import Script, ScriptedUpstream, Visit, scripted_upstream

DEADLINE = 10.0


async def chat(visit: Visit) -> None:
    """Answer every request with a short completion."""
    while True:
        await visit.request()
        await visit.answer(b'{"choices":[]}', fields="content-type: application/json\r\n")


@dataclass
class Platform:
    """The pieces under test and ways to change the world around them."""

    url: str
    app: ApiServer
    telemetry: Telemetry
    entities: EntityClient
    stack: AsyncExitStack

    async def deploy(self, name: str, *, enabled: bool = True) -> None:
        """Create a model deployment and wait until the API Server knows it."""
        await self.entities.create("modeldeployments", name, {"model": "some-model", "enabled": enabled})
        await self.until(lambda: name in self.app.sources.deployments.items)

    async def patch_deployment(self, name: str, patch: dict[str, Any]) -> None:
        """Change a model deployment's spec."""
        await self.entities.patch("modeldeployments", name, {"spec": patch})

    async def serve(
        self, deployment: str, script: Script = chat, *, pod: str = "pod-1", slots: int = 4
    ) -> ScriptedUpstream:
        """Start a scripted LLM Server and report it ready."""
        upstream = await self.stack.enter_async_context(scripted_upstream(script))
        await self.report(deployment, upstream.host, upstream.port, pod=pod, slots=slots)
        return upstream

    async def report(self, deployment: str, host: str, port: int, *, pod: str = "pod-1", slots: int = 4) -> None:
        """Report an LLM Server ready and wait until requests may go there."""
        spec = {"deployment": deployment, "model": "some-model", "address": host, "port": port}
        await self.entities.create("llmservers", pod, spec)
        await self.entities.patch_status("llmservers", pod, {"phase": "Ready", "slots": slots})
        await self.until(lambda: pod in self.app.router.in_flight(deployment))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that the loops bring about."""
        with anyio.fail_after(DEADLINE):
            while not condition():
                await anyio.sleep(0.005)

    def metric(self, name: str, **labels: str) -> float:
        """Current value of a metric, 0 before its first count."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


Start = Callable[..., AbstractAsyncContextManager[Platform]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an API Server with its Entity DB; settings by keyword."""

    @asynccontextmanager
    async def run(**values: Any) -> AsyncGenerator[Platform]:
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(starter(tmp_path)())
            settings = Settings.model_validate({"entity_db_url": database.url, "pod_name": "api-1", **values})
            telemetry = Telemetry.create("api-server", settings)
            app = await stack.enter_async_context(open_app(settings, telemetry))
            entities = await stack.enter_async_context(EntityClient(database.url))
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = _server(app)
            group = await stack.enter_async_context(anyio.create_task_group())
            for task in app.background:
                group.start_soon(task)
            group.start_soon(server.serve, [listener])
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            scripts = await stack.enter_async_context(AsyncExitStack())
            platform = Platform(url, app, telemetry, entities, scripts)
            await platform.until(lambda: telemetry.health.ready and server.started)
            yield platform
            server.stop()
            await platform.until(lambda: not server.server_state.connections)
            group.cancel_scope.cancel()

    return run


def _server(app: ApiServer) -> WaitingServer:
    config = uvicorn.Config(
        app.asgi,
        http=app.protocol,
        log_config=None,
        access_log=False,
        loop="none",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    return WaitingServer(config)
