"""The world as the Console knows it: caches of entities, and what the Gateway last said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio

from logits_console.adapters.api_server import ApiServer
from logits_console.adapters.gateway import Gateway
from logits_console.views import Cell, component_cells, component_rows, model_cells, model_rows, release_cells, shape
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.kubernetes import Changes
from logits_shell.web.events import encode_event

COALESCE_SECONDS = 0.25
View = Literal["overview", "models", "audit"]


@dataclass
class World:
    """Everything that handlers and live pages read.

    Attributes:
        deployments: model deployments.
        models: the catalogue.
        components: the platform's own parts.
    """

    client: EntityClient
    deployments: EntityCache
    models: EntityCache
    components: EntityCache
    gateway: Gateway
    api_server: ApiServer
    max_viewers: int
    poll_seconds: float
    count_viewers: Callable[[float], None]
    viewers: int = 0
    closing: bool = False
    changes: Changes = field(default_factory=Changes)

    async def gateway_status(self) -> dict[str, Any] | None:
        """The Gateway's state, None while it can't be asked."""
        try:
            return await self.gateway.status()
        except LogitsError:
            return None

    async def audit_size(self) -> int:
        """How many entries the audit log has, 0 while the Gateway can't be asked."""
        try:
            return int((await self.gateway.entries(0, 1))["size"])
        except LogitsError:
            return 0

    def frames(self, view: View) -> AsyncGenerator[bytes, None]:
        """Live frames for one page; refuses when too many pages are open."""
        if self.viewers >= self.max_viewers:
            raise LogitsError(
                ErrorCode.NO_CAPACITY, "too many pages are live; close one, or raise max_viewers", retry_after=30
            )
        return self._frames(view)

    def close(self) -> None:
        """End every live page, so that a stopping process needn't wait for browsers to leave."""
        self.closing = True
        self.changes.ring()

    async def follow(self) -> None:
        """Ring at every change of what pages show; run it as a background task."""
        async with anyio.create_task_group() as group:
            for cache in (self.deployments, self.models, self.components):
                group.start_soon(self._ring_on_change, cache)

    async def _ring_on_change(self, cache: EntityCache) -> None:
        async with aclosing(cache.changes()) as changes:
            async for _ in changes:
                self.changes.ring()

    async def _frames(self, view: View) -> AsyncGenerator[bytes, None]:
        self.viewers += 1
        self.count_viewers(self.viewers)
        last: dict[str, Cell] = {}
        try:
            while not self.closing:
                seen = self.changes.count
                cells, current_shape = await self._snapshot(view)
                changed = {key: cell for key, cell in cells.items() if last.get(key) != cell}
                if changed:
                    yield encode_event({"shape": current_shape, "cells": changed}, event="cells")
                last = cells
                await anyio.sleep(COALESCE_SECONDS)
                # Entities ring; the Gateway has to be asked, and is only while somebody looks.
                with anyio.move_on_after(self.poll_seconds):
                    await self.changes.wait(seen)
        finally:
            self.viewers -= 1
            self.count_viewers(self.viewers)

    async def _snapshot(self, view: View) -> tuple[dict[str, Cell], str]:
        if view == "audit":
            size = await self.audit_size()
            return {"a.size": Cell(str(size))}, str(size)
        rows = model_rows(self.deployments.items, self.models.items)
        cells = model_cells(rows)
        names = [f"{row.name}{row.enabled}{row.minimum}{row.maximum}" for row in rows]
        if view == "models":
            return cells, shape(names, self.models.items)
        parts = component_rows(self.components.items)
        gateway = await self.gateway_status()
        cells |= component_cells(parts) | release_cells(gateway)
        troubled = [row.name for row in parts if row.ready.state != "good"]
        stages = [row.stage.text for row in rows]
        return cells, shape(names, [part.name for part in parts], troubled, stages, [cells["g.release"].text])
