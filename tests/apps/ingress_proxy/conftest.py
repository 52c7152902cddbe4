"""A running Ingress Proxy for tests, with a scripted system behind each route."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
import uvicorn

from logits_ingress_proxy.app import IngressProxy, create_app
from logits_ingress_proxy.settings import Settings
from logits_shell.serve import WaitingServer
from logits_shell.telemetry import Telemetry
from simulators.scripted_upstream import Script, ScriptedUpstream, Visit, scripted_upstream


@dataclass
class Ingress:
    """The proxy and what stands behind it."""

    url: str
    console: ScriptedUpstream
    api_server: ScriptedUpstream
    entity_db: ScriptedUpstream
    telemetry: Telemetry
    app: IngressProxy

    def metric(self, name: str, **labels: str) -> float:
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


Start = Callable[..., AbstractAsyncContextManager[Ingress]]


def named(name: str) -> Script:
    """A system that answers with its own name."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer(name.encode())

    return script


@pytest.fixture
def start() -> Start:
    """Start an Ingress Proxy; scripts per system and settings by keyword."""

    @asynccontextmanager
    async def run(api: Script | None = None, **values: Any) -> AsyncGenerator[Ingress]:
        async with (
            scripted_upstream(named("console")) as console,
            scripted_upstream(api or named("api-server")) as api_server,
            scripted_upstream(named("entity-db")) as entity_db,
            anyio.create_task_group() as group,
        ):
            urls = {
                "console_url": f"http://127.0.0.1:{console.port}",
                "api_server_url": f"http://127.0.0.1:{api_server.port}",
                "entity_db_url": f"http://127.0.0.1:{entity_db.port}",
            }
            settings = Settings.model_validate({**urls, **values})
            telemetry = Telemetry.create("ingress-proxy", settings)
            app = create_app(settings, telemetry)
            listener = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(
                app.asgi, http=app.protocol, log_config=None, loop="none", ws="none", timeout_graceful_shutdown=2
            )
            config.load()
            config.ssl = None if app.certificate is None else app.certificate.context
            server = WaitingServer(config)
            group.start_soon(server.serve, [listener])
            scheme = "http" if app.certificate is None else "https"
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
            yield Ingress(url, console, api_server, entity_db, telemetry, app)
            server.stop()
            app.pool.close()

    return run
