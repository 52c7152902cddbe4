"""A Controller at work: the real app against the embedded API server and a real Entity DB."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from live_server import live
from logits_controller.app import Controller, create_app
from logits_controller.settings import Settings
from logits_core.entities.sqlite import SqliteStore
from logits_core.errors import LogitsError
from logits_core.policy import Limits, admit, authorise, parse
from logits_core.reconcile import Customizations
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.app import create_app as create_entity_db
from logits_entity_db.settings import Settings as EntityDbSettings
from logits_local.api import ApiServer
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    SERVICE_ACCOUNTS,
    Changes,
    KubernetesClient,
    Reflector,
    StaticToken,
    trust,
)
from logits_shell.telemetry import Health, Telemetry
from simulators.cluster_world import release

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
WATCHED = ("modeldeployments", "components")
ANCHORS = ("logits-anchor", "logits-customizations")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class SimulatedGateway:
    """Passes on what the real Gateway's policy allows, keeps reports, and can refuse on demand."""

    kubernetes: Any
    token: str
    reports: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    writes: list[str] = field(default_factory=list[str])
    refused: int = 0
    refuse_reports: bool = False
    refused_names: set[str] = field(default_factory=set[str])
    denials: list[str] = field(default_factory=list[str])
    images: dict[str, frozenset[str]] = field(default_factory=lambda: _images(1, 2))
    told: Changes = field(default_factory=Changes)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/kubernetes/"):
            await self._kubernetes(scope, receive, send)
        else:
            await self._report(receive, send)

    async def _kubernetes(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path: str = scope["path"].removeprefix("/kubernetes")
        name = path.rpartition("/")[2]
        if scope["method"] != "GET":
            self.writes.append(f"{scope['method']} {name}")
        body = (await receive())["body"]
        refusal = "refused by the test" if name in self.refused_names else self._policy(scope, path, body)
        if refusal:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps({"message": refusal}).encode()})
            return
        headers = [pair for pair in scope["headers"] if pair[0] != b"authorization"]
        headers.append((b"authorization", f"Bearer {self.token}".encode()))
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> dict[str, Any]:
            return next(messages, None) or await receive()

        upstream = scope | {"path": path, "raw_path": path.encode(), "headers": headers}
        await self.kubernetes(upstream, replayed, send)

    def _policy(self, scope: dict[str, Any], path: str, body: bytes) -> str:
        """What the real Gateway's policy has against a request; nothing, if the Controller is sound."""
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode()
        limits = Limits("logits", self.images, Customizations())
        try:
            request = parse(scope["method"], path, scope["query_string"].decode())
            rule = authorise("controller", request, namespace="logits")
            admit(rule, "controller", request, content_type=content_type, body=body, limits=limits)
        except LogitsError as error:
            self.denials.append(error.message)
            return error.message
        return ""

    async def _report(self, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        if self.refuse_reports:
            self.refused += 1
        else:
            self.reports.append(json.loads(body))
        self.told.ring()
        status = 503 if self.refuse_reports else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def _images(*builds: int) -> dict[str, frozenset[str]]:
    return {name: frozenset(release(build).images[name] for build in builds) for name in release().images}


class Switchboard:
    """The Entity DB's address: nobody there until ``app`` is plugged in."""

    app: Any = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})


@dataclass
class Install:
    """One namespace with a Controller's surroundings, and caches of what happens in it."""

    kubernetes: KubernetesClient
    entities: EntityClient
    gateway: SimulatedGateway
    switchboard: Switchboard
    settings: Settings
    directory: Path
    deployments: Reflector
    caches: dict[str, EntityCache]
    changes: Changes
    health: Health = field(default_factory=Health)

    async def until(self, check: Callable[[], bool], what: str) -> None:
        """Wait for something to become true after one of the changes that are watched."""
        with anyio.move_on_after(30):
            count = -1
            while not check():
                count = await self.changes.wait(count)
            return
        raise AssertionError(f"not within 30 s: {what}")

    async def follow(self, source: Changes) -> None:
        """Ring for everything that rings elsewhere."""
        count = source.count
        while True:
            count = await source.wait(count)
            self.changes.ring()

    async def watch(self, cache: EntityCache) -> None:
        """Ring for every change of an entity."""
        async with aclosing(cache.changes()) as changes:
            async for _ in changes:
                self.changes.ring()

    @asynccontextmanager
    async def controller(self, **changed: Any) -> AsyncGenerator[Controller]:
        """Run a Controller inside the block."""
        settings = self.settings.model_copy(update=changed)
        telemetry = Telemetry.create("controller", settings)
        self.health = telemetry.health
        made = create_app(settings, telemetry)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self.follow, made.loop.rounds)
                for task in made.background:
                    group.start_soon(task)
                yield made
                group.cancel_scope.cancel()
        finally:
            await made.close()

    @asynccontextmanager
    async def entity_db(self) -> AsyncGenerator[None]:
        """Run the Entity DB inside the block; what it stores stays."""
        settings = EntityDbSettings.model_validate({"data_directory": self.directory})
        store = SqliteStore(Volume(self.directory).database)
        try:
            app = create_entity_db(settings, Telemetry.create("entity-db", settings), store, Volume(self.directory))
            async with anyio.create_task_group() as group:
                group.start_soon(app.writer.run)
                self.switchboard.app = app.asgi
                yield
                self.switchboard.app = None
                app.watches.close()
                group.cancel_scope.cancel()
        finally:
            store.close()


@pytest.fixture
async def install(tmp_path: Path) -> AsyncGenerator[Install]:
    async with _api_server(tmp_path / "cluster") as (server, kubernetes):
        gateway, switchboard = SimulatedGateway(server.app, server.admin_token), Switchboard()
        async with live(gateway) as gateway_url, live(switchboard) as entity_db_url:
            settings = _settings(tmp_path / "token", gateway_url, entity_db_url)
            (tmp_path / "entities").mkdir()
            async with EntityClient(entity_db_url) as entities:
                changes = Changes()
                caches = {plural: EntityCache(entities, plural) for plural in WATCHED}
                deployments = Reflector(kubernetes, DEPLOYMENTS, namespace="logits", changes=changes)
                made = Install(
                    kubernetes=kubernetes,
                    entities=entities,
                    gateway=gateway,
                    switchboard=switchboard,
                    settings=settings,
                    directory=tmp_path / "entities",
                    deployments=deployments,
                    caches=caches,
                    changes=changes,
                )
                async with anyio.create_task_group() as group:
                    for task in (deployments.run, *(cache.run for cache in caches.values())):
                        group.start_soon(task)
                    for cache in caches.values():
                        group.start_soon(made.watch, cache)
                    group.start_soon(made.follow, gateway.told)
                    yield made
                    group.cancel_scope.cancel()
                assert gateway.denials == []


def _settings(token: Path, gateway_url: str, entity_db_url: str) -> Settings:
    token.write_text("token of the pod")
    return Settings.model_validate(
        {
            "release": msgspec.json.encode(release()).decode(),
            "gateway_url": gateway_url,
            "entity_db_url": entity_db_url,
            "token_file": token,
            "namespace": "logits",
            "report_pause_seconds": 0.0,
            "scale_down_seconds": 0.0,
        }
    )


@asynccontextmanager
async def _api_server(directory: Path) -> AsyncGenerator[tuple[ApiServer, KubernetesClient]]:
    server, started = ApiServer(directory), anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, started.set)
        await started.wait()
        access = StaticToken(server.admin_token)
        async with KubernetesClient(server.url, access, verify=trust(server.ca_certificate)) as client:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "logits-component"}}
            await client.create(SERVICE_ACCOUNTS, account, namespace="logits")
            for name in ANCHORS:
                metadata = {"name": name, "namespace": "logits"}
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"labels": "{}"}}
                await client.create(CONFIG_MAPS, body)
            yield server, client
        group.cancel_scope.cancel()
