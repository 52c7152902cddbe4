"""Wiring of the Entity DB: the one place where store, writer, watches and routes meet."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig

from logits_core.entities.ports import EntityStore
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.adapters.writer import Writer
from logits_entity_db.database import Database
from logits_entity_db.errors import exception_handlers
from logits_entity_db.loop import Upkeep
from logits_entity_db.metrics import Metrics
from logits_entity_db.routes.entities import entity_routes
from logits_entity_db.settings import Settings
from logits_entity_db.watches import Watches
from logits_shell.telemetry import Telemetry


def utc_now() -> datetime:
    """Return the time of the wall clock."""
    return datetime.now(UTC)


def random_uid() -> str:
    """Return a fresh UUID."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class EntityDb:
    """The wired app: the ASGI face and what must run beside it."""

    asgi: Litestar
    writer: Writer
    watches: Watches
    upkeep: Upkeep


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    store: EntityStore,
    volume: Volume,
    *,
    now: Callable[[], datetime] = utc_now,
    new_uid: Callable[[], str] = random_uid,
) -> EntityDb:
    """Wire the app.

    Args:
        settings: bounds and times.
        telemetry: log, metrics and health of the process.
        store: an open store; closed by the caller after the app has stopped.
        volume: where backups go.
        now: returns the time.
        new_uid: makes identifiers for entities.
    """
    metrics = Metrics.create(telemetry.registry)
    watches = Watches(store, metrics, limit=settings.watchers_limit, bookmark_seconds=settings.bookmark_seconds)
    writer = Writer(
        store,
        metrics,
        watches.publish,
        queue_limit=settings.queue_limit,
        group_limit=settings.group_limit,
    )
    database = Database(store, writer, watches, now=now, new_uid=new_uid, page_limit=settings.page_limit)
    asgi = Litestar(
        route_handlers=[entity_routes()],
        dependencies={"database": Provide(lambda: database, sync_to_thread=False)},
        exception_handlers=exception_handlers(telemetry.log),
        request_max_body_size=settings.body_bytes_limit,
        logging_config=None,
        openapi_config=OpenAPIConfig(title="Entity DB", version=settings.version, path="/entities-openapi"),
        on_shutdown=[watches.close],
    )
    upkeep = Upkeep(settings, volume, writer, metrics=metrics, log=telemetry.log, now=now)
    return EntityDb(asgi, writer, watches, upkeep)
