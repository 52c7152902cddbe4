"""A running Entity DB for tests: the real app on a real port, with a store on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from live_server import live
from logits_core.entities.sqlite import SqliteStore
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.app import EntityDb, create_app
from logits_entity_db.settings import Settings
from logits_shell.telemetry import Telemetry


@dataclass(frozen=True)
class Running:
    """One Entity DB and where it answers."""

    url: str
    app: EntityDb
    telemetry: Telemetry

    def metric(self, name: str, **labels: str) -> float:
        """Current value of a metric, 0 before its first count."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


Start = Callable[..., AbstractAsyncContextManager[Running]]


def starter(directory: Path) -> Start:
    """Starts an Entity DB on this directory; settings by keyword."""

    @asynccontextmanager
    async def run(**values: object) -> AsyncGenerator[Running]:
        settings = Settings.model_validate({"data_directory": directory, **values})
        telemetry = Telemetry.create("entity-db", settings)
        volume = Volume(directory)
        store = SqliteStore(volume.database)
        try:
            app = create_app(settings, telemetry, store, volume)
            async with anyio.create_task_group() as group:
                group.start_soon(app.writer.run)
                async with live(app.asgi) as url:
                    yield Running(url, app, telemetry)
                    app.watches.close()
                group.cancel_scope.cancel()
        finally:
            store.close()

    return run
