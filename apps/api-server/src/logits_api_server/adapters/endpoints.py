"""Engines that somebody else runs: asked for their models and their health, told as entities."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

import anyio
import httpx

from logits_core.entities.model import Entity, Metadata
from logits_core.wire.surface import LLAMACPP, VLLM

POLL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
MODELS_PER_ENGINE: Final = 1000
HEALTHY: Final = frozenset({200, 404})
"""An engine without a health page is well if it lists its models."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine answers."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class HeldEntities:
    """Entities that this process made itself; an `EntitySource`."""

    def __init__(self, entities: Mapping[str, Entity] | None = None) -> None:
        self.ready = anyio.Event()
        self._items: dict[str, Entity] = {}
        self._changed = anyio.Event()
        self._items_view = MappingProxyType(self._items)
        if entities is not None:
            self.hold(entities)

    @property
    def items(self) -> Mapping[str, Entity]:
        """A live view by name."""
        return self._items_view

    def hold(self, entities: Mapping[str, Entity]) -> None:
        """Make these all that there are."""
        if self._items != entities or not self.ready.is_set():
            self._items.clear()
            self._items.update(entities)
            self.ready.set()
            self._changed.set()

    async def run(self) -> None:
        """Nothing is to be followed."""

    async def changes(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield all names whenever anything changed."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            yield frozenset(self._items)


class Engines:
    """Keeps two kinds of entities in step with what the engines say.

    An engine that is away keeps its models for as long as this process lives: requests for them wait.

    Args:
        http: For asking.
        addresses: Of the engines.
        capacity: Requests in flight at one engine.
        found: Told the models whenever they change.
    """

    def __init__(
        self, http: httpx.AsyncClient, addresses: list[Address], capacity: int, found: Callable[[list[str]], None]
    ) -> None:
        self.deployments = HeldEntities()
        self.servers = HeldEntities()
        self._http = http
        self._addresses = addresses
        self._capacity = capacity
        self._found = found
        self._models: dict[str, Entity] = {}
        self._names: list[str] = []

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.look()
            await anyio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Ask every engine once, all at the same time."""
        servers: dict[str, Entity] = {}

        async def ask(address: Address) -> None:
            for model, engine in await self._ask(address):
                self._models[model] = _entity("ModelDeployment", model, {"enabled": True, "model": model}, {})
                server = self._server(address, model, engine)
                servers[server.name] = server

        async with anyio.create_task_group() as group:
            for address in self._addresses:
                group.start_soon(ask, address)
        # In the order of the addresses, whoever answered first.
        self.servers.hold(dict(sorted(servers.items())))
        self.deployments.hold(self._models)
        if list(self._models) != self._names:
            self._names = list(self._models)
            self._found(self._names)

    async def _ask(self, address: Address) -> list[tuple[str, str]]:
        try:
            health = await self._http.get(f"http://{address}/health", timeout=ANSWER_SECONDS)
            if health.status_code not in HEALTHY:
                return []
            answer = await self._http.get(f"http://{address}/v1/models", timeout=ANSWER_SECONDS)
            return _models_of(answer.json()) if answer.is_success else []
        except (httpx.HTTPError, ValueError):
            return []

    def _server(self, address: Address, model: str, engine: str) -> Entity:
        spec = {"deployment": model, "model": model, "address": address.host, "port": address.port}
        status = {"phase": "Ready", "slots": self._capacity, "engine": engine}
        return _entity("LLMServer", f"{address}/{model}", spec, status)


def _models_of(document: object) -> list[tuple[str, str]]:
    data = cast("dict[str, Any]", document).get("data") if isinstance(document, dict) else None
    found: list[tuple[str, str]] = []
    for model in cast("list[Any]", data)[:MODELS_PER_ENGINE] if isinstance(data, list) else []:
        if isinstance(model, dict) and isinstance(name := cast("dict[str, Any]", model).get("id"), str):
            owner = cast("dict[str, Any]", model).get("owned_by")
            found.append((name, str(owner) if owner in {LLAMACPP, VLLM} else ""))
    return found


def _entity(kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> Entity:
    # Engines name their models more freely than the Entity DB does.
    return Entity.model_construct(kind=kind, metadata=Metadata.model_construct(name=name), spec=spec, status=status)
