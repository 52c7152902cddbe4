"""Wiring of the Controller: the only place where its parts are put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from logits_controller.adapters.cluster import Cluster
from logits_controller.adapters.entities import Entities
from logits_controller.adapters.gateway import ReportSender
from logits_controller.errors import error_handlers
from logits_controller.interruptions import Interruptions
from logits_controller.loop import ControlLoop, Hands
from logits_controller.metrics import Metrics
from logits_controller.reporting import Pace, ReportLoop
from logits_controller.routes.plan import plan_routes
from logits_controller.settings import Settings
from logits_controller.world import CachedWorld
from logits_core.entities.model import JsonObject
from logits_core.reconcile import Memory, Release, environment_report
from logits_core.reconcile.leadership import in_charge
from logits_shell.entities import EntityClient
from logits_shell.kubernetes import Changes, KubernetesClient, TokenFile
from logits_shell.telemetry import Telemetry

Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Controller:
    """The app and what runs beside it."""

    asgi: Litestar
    loop: ControlLoop
    background: tuple[Background, ...]
    close: Callable[[], Awaitable[None]]


def create_app(
    settings: Settings, telemetry: Telemetry, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Controller:
    """Wire the Controller.

    Args:
        settings: what the Gateway tells it.
        telemetry: the process' log, metrics and health.
        clock: the time.

    Raises:
        LogitsError: the release can't be read.
    """
    metrics = Metrics(telemetry.registry)
    changes = Changes()
    interruptions = Interruptions(telemetry.log, metrics, clock)
    gateway, credentials = settings.gateway_url.rstrip("/"), TokenFile(settings.token_file)
    kubernetes = KubernetesClient(f"{gateway}/kubernetes", credentials, user_agent="logits-controller")
    entity_db = EntityClient(settings.entity_db_url)
    sender = ReportSender(gateway, credentials)
    cluster = Cluster(kubernetes, settings.namespace, changes=changes, on_failure=interruptions.note)
    entities = Entities(entity_db, changes=changes, on_failure=interruptions.note)
    world = CachedWorld(cluster, entities, Release.parse(settings.release), settings, telemetry.log)
    hands = Hands(cluster.execute, entities.execute)
    loop = ControlLoop(world, hands, changes=changes, clock=clock, telemetry=telemetry, metrics=metrics)
    reports = ReportLoop(
        partial(_report, world, cluster),
        sender.send,
        changes=changes,
        clock=clock,
        pace=Pace(settings.report_seconds, settings.report_pause_seconds),
        telemetry=telemetry,
        metrics=metrics,
    )

    async def close() -> None:
        for client in (kubernetes, entity_db, sender):
            await client.aclose()

    background = (
        *(reflector.run for reflector in cluster.reflectors),
        *(partial(entities.keep, cache) for cache in entities.caches),
        *(partial(entities.follow, cache) for cache in entities.caches),
        partial(cluster.when_ready, "entity-db", entities.revive),
        loop.run,
        reports.run,
    )
    return Controller(_litestar(telemetry, loop), loop, background, close)


def _report(world: CachedWorld, cluster: Cluster) -> JsonObject | None:
    if not all(reflector.synced.is_set() for reflector in cluster.reflectors):
        return None
    observed, desired = world.observe(Memory()), world.desired()
    # Two Controllers during a roll would contradict each other; only the one in charge reports.
    return environment_report(observed, desired) if in_charge(desired.release, observed.deployments) else None


def _litestar(telemetry: Telemetry, loop: ControlLoop) -> Litestar:
    return Litestar(
        route_handlers=plan_routes(),
        dependencies={"loop": Provide(lambda: loop, sync_to_thread=False, use_cache=True)},
        exception_handlers=error_handlers(telemetry.log),
        openapi_config=None,
        logging_config=None,
    )
