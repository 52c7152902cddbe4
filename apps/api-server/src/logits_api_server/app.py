"""Wiring of the API Server: caches, router, waiting room, relay and routes meet here."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.types import Message, Scope

from logits_api_server.adapters.demand_report import DemandReport
from logits_api_server.catalog import Catalog
from logits_api_server.demand import DemandLedger
from logits_api_server.errors import exception_handlers, rejected
from logits_api_server.loop import DemandReporter, Follower
from logits_api_server.metrics import Metrics
from logits_api_server.policy import InferencePolicy, offered
from logits_api_server.routes.models import model_routes
from logits_api_server.settings import Settings
from logits_api_server.waiting import WaitingRoom
from logits_core.errors import LogitsError
from logits_core.routing import Router
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.relay import RelayOptions, RelayProtocol, UpstreamPool, relay_protocol
from logits_shell.relay.framing import request_id
from logits_shell.telemetry import Telemetry


@dataclass(frozen=True)
class ApiServer:
    """The wired app: both faces and what must run beside them."""

    asgi: Litestar
    protocol: type[RelayProtocol]
    pool: UpstreamPool
    router: Router
    waiting: WaitingRoom
    ledger: DemandLedger
    deployments: EntityCache
    servers: EntityCache
    follower: Follower
    reporter: DemandReporter

    async def follow_deployments(self) -> None:
        """Act on changes of model deployments, for ever."""
        await self.follower.follow(self.deployments)

    async def follow_servers(self) -> None:
        """Act on changes of LLM Servers, for ever."""
        await self.follower.follow(self.servers)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


@asynccontextmanager
async def open_app(settings: Settings, telemetry: Telemetry) -> AsyncGenerator[ApiServer, None]:
    """The app with its connections; they close when the context ends."""
    async with EntityClient(settings.entity_db_url) as client:
        app = create_app(settings, telemetry, client)
        try:
            yield app
        finally:
            app.pool.close()


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    client: EntityClient,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = _utc_now,
    pick: Callable[[int], int] = random.randrange,
) -> ApiServer:
    """Wire the app.

    Args:
        settings: Bounds and times.
        telemetry: Log, metrics and health of the process.
        client: Speaks with the Entity DB; the caller closes it.
        clock: Monotonic seconds.
        now: Wall clock.
        pick: Breaks ties between endpoints.
    """
    metrics = Metrics.create(telemetry.registry)
    deployments = _cache(client, "modeldeployments", telemetry)
    servers = _cache(client, "llmservers", telemetry)
    catalog = Catalog(
        deployments.items,
        servers.items,
        lambda: deployments.ready.is_set() and servers.ready.is_set(),
        settings.requests_per_slot,
    )
    router = Router()
    waiting = WaitingRoom(
        router,
        limit=settings.waiting_limit,
        bytes_limit=settings.waiting_bytes_limit,
        seconds=settings.waiting_seconds,
        now=clock,
        pick=pick,
    )
    ledger = DemandLedger(now)
    metrics.in_flight.set_function(lambda: ledger.totals()[0])
    metrics.waiting.set_function(lambda: ledger.totals()[1])
    policy = InferencePolicy(
        catalog, router, waiting, ledger, metrics=metrics, now=clock, body_limit=settings.body_bytes_limit
    )
    pool = UpstreamPool()
    return ApiServer(
        asgi=_asgi(settings, telemetry, catalog),
        protocol=relay_protocol(policy, pool, options=_options(settings)),
        pool=pool,
        router=router,
        waiting=waiting,
        ledger=ledger,
        deployments=deployments,
        servers=servers,
        follower=Follower(catalog, router, waiting, ledger),
        reporter=_reporter(settings, telemetry, client, ledger=ledger, now=now, metrics=metrics),
    )


def _reporter(
    settings: Settings,
    telemetry: Telemetry,
    client: EntityClient,
    *,
    ledger: DemandLedger,
    now: Callable[[], datetime],
    metrics: Metrics,
) -> DemandReporter:
    return DemandReporter(
        ledger,
        DemandReport(client, settings.pod_name or "api-server"),
        repeat_seconds=settings.demand_seconds,
        now=now,
        metrics=metrics,
        log=telemetry.log,
    )


def _cache(client: EntityClient, plural: str, telemetry: Telemetry) -> EntityCache:
    telemetry.health.set(plural, ready=False, reason="waiting for the first list from the Entity DB")

    def connected() -> None:
        telemetry.health.set(plural, ready=True)

    def interrupted(error: LogitsError) -> None:
        # What was known keeps serving, so readiness stays as it is.
        telemetry.log.warning("the watch of the Entity DB broke off: {reason}", reason=error.message)

    return EntityCache(client, plural, on_connected=connected, on_interruption=interrupted)


def _options(settings: Settings) -> RelayOptions:
    return RelayOptions(
        connect_seconds=settings.connect_seconds,
        first_byte_seconds=settings.first_byte_seconds,
        idle_seconds=settings.idle_seconds,
        sign_of_life_seconds=settings.keep_alive_seconds,
        trust_forwarded=True,
        new_request_id=_new_request_id,
        reject=rejected,
    )


def _asgi(settings: Settings, telemetry: Telemetry, catalog: Catalog) -> Litestar:
    return Litestar(
        route_handlers=[model_routes()],
        dependencies={"catalog": Provide(lambda: catalog, sync_to_thread=False)},
        exception_handlers=exception_handlers(telemetry.log, offered),
        before_send=[_identify],
        request_max_body_size=settings.body_bytes_limit,
        openapi_config=None,
        logging_config=None,
    )


async def _identify(message: Message, scope: Scope) -> None:
    """Return the request's id, as the relay does for the requests that it serves."""
    if message["type"] == "http.response.start":
        given = request_id(tuple(scope["headers"]))
        MutableScopeHeaders(message)["x-request-id"] = given or _new_request_id()
