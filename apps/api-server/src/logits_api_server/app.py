"""Wiring of the API Server: sources, router, waiting room, relay and routes meet here."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.types import Message, Scope

from logits_api_server.adapters.demand_report import DemandReport
from logits_api_server.adapters.usage_records import UsageRecords
from logits_api_server.answers import rejected
from logits_api_server.call import Books
from logits_api_server.callers import Callers
from logits_api_server.catalog import Catalog
from logits_api_server.demand import DemandLedger
from logits_api_server.errors import exception_handlers
from logits_api_server.loop import DemandReporter, Follower
from logits_api_server.metrics import Metrics
from logits_api_server.policy import InferencePolicy
from logits_api_server.routes.models import model_routes
from logits_api_server.settings import Settings
from logits_api_server.sources import Background, Sources
from logits_api_server.usage_recorder import UsageRecorder
from logits_api_server.waiting import WaitingRoom
from logits_core.errors import LogitsError
from logits_core.routing import Router
from logits_core.usage import UsageLedger
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.relay import RelayOptions, RelayProtocol, UpstreamPool, relay_protocol
from logits_shell.relay.framing import request_id
from logits_shell.telemetry import Telemetry
from logits_shell.workers import ALONE, Share

CONNECTIONS = 8192
"""Most open client connections; more are answered 503."""

ATTEMPTS = 128
"""Most attempts of one request, its returns to the waiting room included; the time that it may wait ends it sooner."""


_random_bits = random.getrandbits


@dataclass(frozen=True)
class ApiServer:
    """The wired app: both faces and what must run beside them.

    Attributes:
        asgi: Serves what isn't relayed.
        protocol: Serves the listener's connections.
        background: Must run as long as the app serves.
        pool: Connections to LLM Servers; close it after serving.
    """

    asgi: Litestar
    protocol: type[RelayProtocol]
    background: tuple[Background, ...]
    pool: UpstreamPool
    router: Router
    waiting: WaitingRoom
    ledger: DemandLedger
    sources: Sources


_utc_now = partial(datetime.now, UTC)


def _new_request_id() -> str:
    # It names a request and proves nothing, so it needn't be hard to guess.
    return f"req_{_random_bits(96):024x}"


@asynccontextmanager
async def open_app(settings: Settings, telemetry: Telemetry) -> AsyncGenerator[ApiServer, None]:
    """The app of a platform, with its connections; they close when the context ends."""
    async with EntityClient(settings.entity_db_url) as client:
        sources = Sources(
            deployments=_cache(client, "modeldeployments", telemetry),
            servers=_cache(client, "llmservers", telemetry),
            keys=_cache(client, "apikeys", telemetry),
            demand=DemandReport(client, settings.pod_name or "api-server"),
            usage=UsageRecords(client, secrets.token_hex(8)),
        )
        app = create_app(settings, telemetry, sources)
        try:
            yield app
        finally:
            app.pool.close()


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    sources: Sources,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = _utc_now,
    pick: Callable[[int], int] = random.randrange,
    share: Share = ALONE,
) -> ApiServer:
    """Wire the app.

    Args:
        settings: Bounds and times.
        telemetry: Log, metrics and health of the process.
        sources: Models, LLM Servers and keys, and where to report.
        clock: Monotonic seconds.
        now: Wall clock.
        pick: Breaks ties between endpoints.
        share: Which of the processes this is that have the port together; bounds are divided among them.
    """
    metrics = Metrics.create(telemetry.registry)
    catalog = Catalog(
        sources.deployments.items,
        sources.servers.items,
        lambda: sources.deployments.ready.is_set() and sources.servers.ready.is_set(),
        settings.requests_per_slot,
    )
    books = Books(Router(), DemandLedger(now), UsageLedger(), clock, now, pick)
    callers = _callers(settings, sources, metrics, books=books, shares=settings.limit_shares * share.count)
    waiting = _waiting(settings, books, share)
    metrics.in_flight.set_function(lambda: books.demand.totals()[0])
    metrics.waiting.set_function(lambda: books.demand.totals()[1])
    policy = InferencePolicy(
        catalog,
        callers,
        waiting,
        books,
        metrics=metrics,
        body_limit=settings.body_bytes_limit,
        waiting_seconds=settings.waiting_seconds,
    )
    pool = UpstreamPool()
    return ApiServer(
        asgi=_asgi(settings, telemetry, catalog, callers),
        protocol=relay_protocol(policy, pool, options=_options(settings, share)),
        background=(
            *(source.run for source in sources.all),
            *Follower(catalog, callers, books, waiting, sources).loops,
            *_reporters(settings, telemetry, sources, books=books, metrics=metrics),
        ),
        pool=pool,
        router=books.router,
        waiting=waiting,
        ledger=books.demand,
        sources=sources,
    )


def _callers(settings: Settings, sources: Sources, metrics: Metrics, *, books: Books, shares: int) -> Callers:
    return Callers(
        sources.keys.items,
        sources.keys.ready.is_set,
        required=settings.keys_required,
        shares=shares,
        now=books.now,
        clock=books.clock,
        unreadable=lambda _: metrics.keys_unreadable.inc(),
    )


def _waiting(settings: Settings, books: Books, share: Share) -> WaitingRoom:
    count, size = share.of(settings.waiting_limit), share.of(settings.waiting_bytes_limit)
    return WaitingRoom(books.router, limit=count, bytes_limit=size, now=books.clock)


def _reporters(
    settings: Settings, telemetry: Telemetry, sources: Sources, *, books: Books, metrics: Metrics
) -> list[Background]:
    loops: list[Background] = []
    if sources.demand is not None:
        demand = DemandReporter(
            books.demand,
            sources.demand,
            repeat_seconds=settings.demand_seconds,
            now=books.now,
            metrics=metrics,
            log=telemetry.log,
        )
        loops.append(demand.run)
    usage = UsageRecorder(
        books.usage,
        sources.usage,
        pause=settings.usage_seconds,
        months=settings.usage_months,
        now=books.now,
        metrics=metrics,
        log=telemetry.log,
    )
    return [*loops, usage.run]


def _cache(client: EntityClient, plural: str, telemetry: Telemetry) -> EntityCache:
    telemetry.health.set(plural, ready=False, reason="waiting for the first list from the Entity DB")

    def connected() -> None:
        telemetry.health.set(plural, ready=True)

    def interrupted(error: LogitsError) -> None:
        # What was known keeps serving, so readiness stays as it is.
        telemetry.log.warning("the watch of the Entity DB broke off: {reason}", reason=error.message)

    return EntityCache(client, plural, on_connected=connected, on_interruption=interrupted)


def _options(settings: Settings, share: Share) -> RelayOptions:
    return RelayOptions(
        connections=share.of(CONNECTIONS),
        connect_seconds=settings.connect_seconds,
        first_byte_seconds=settings.first_byte_seconds,
        idle_seconds=settings.idle_seconds,
        sign_of_life_seconds=settings.keep_alive_seconds,
        attempts=ATTEMPTS,
        trust_forwarded=True,
        new_request_id=_new_request_id,
        reject=rejected,
    )


def _asgi(settings: Settings, telemetry: Telemetry, catalog: Catalog, callers: Callers) -> Litestar:
    return Litestar(
        route_handlers=[model_routes()],
        dependencies={
            "catalog": Provide(lambda: catalog, sync_to_thread=False),
            "callers": Provide(lambda: callers, sync_to_thread=False),
        },
        exception_handlers=exception_handlers(telemetry.log),
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
