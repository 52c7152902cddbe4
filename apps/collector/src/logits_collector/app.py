"""The Collector's wiring: adapters, loops and its one status route."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from litestar import Litestar
from litestar.datastructures import State

from logits_collector.adapters.gateway import BatchSender
from logits_collector.adapters.spool import Spool
from logits_collector.adapters.streams import LogSource
from logits_collector.adapters.targets import PART_OF
from logits_collector.counters import Counters
from logits_collector.errors import problem_handlers
from logits_collector.loop import Collector
from logits_collector.routes.status import status
from logits_collector.settings import Settings
from logits_core.collection import Limits
from logits_shell.kubernetes import PODS, KubernetesClient, Reflector, TokenFile
from logits_shell.telemetry import Telemetry

AGENT = "logits-collector"
READ_TIMEOUT = httpx.Timeout(10.0, read=45.0)


@asynccontextmanager
async def open_collector(settings: Settings, telemetry: Telemetry) -> AsyncGenerator[Collector, None]:
    """The Collector with its connections; they close when the context ends."""
    credentials = TokenFile(settings.token_file)
    counters = Counters(telemetry.registry)
    limits = httpx.Limits(max_connections=1024, max_keepalive_connections=64)
    async with (
        httpx.AsyncClient(timeout=READ_TIMEOUT, limits=limits, trust_env=False) as http,
        KubernetesClient(f"{settings.gateway_url}/kubernetes", credentials, user_agent="logits-collector") as kube,
    ):
        yield Collector(
            pods=Reflector(kube, PODS, namespace=settings.namespace, label_selector=PART_OF),
            source=LogSource(http),
            http=http,
            spool=Spool(settings.spool_directory, settings.spool_bytes, counters.dropped.inc),
            sender=BatchSender(http, settings.gateway_url, credentials),
            counters=counters,
            log=telemetry.log,
            limits=Limits(age=settings.batch_seconds),
            scrape_seconds=settings.scrape_seconds,
        )


def create_app(collector: Collector, telemetry: Telemetry) -> Litestar:
    """The app of the ``http`` port."""
    return Litestar(
        route_handlers=[status],
        state=State({"collector": collector}),
        exception_handlers=problem_handlers(telemetry.log),
        openapi_config=None,
        logging_config=None,
    )
