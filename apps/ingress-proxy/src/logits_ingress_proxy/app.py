"""Wiring of the Ingress Proxy: routing table, policy and relay."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Litestar

from logits_ingress_proxy.metrics import Metrics
from logits_ingress_proxy.policy import IngressPolicy
from logits_ingress_proxy.settings import Settings
from logits_ingress_proxy.table import RoutingTable, upstream_of
from logits_shell.problems import problem_handlers
from logits_shell.relay import RelayOptions, RelayProtocol, UpstreamPool, relay_protocol
from logits_shell.telemetry import Telemetry


@dataclass(frozen=True)
class IngressProxy:
    """The wired app."""

    asgi: Litestar
    protocol: type[RelayProtocol]
    pool: UpstreamPool


def create_app(settings: Settings, telemetry: Telemetry) -> IngressProxy:
    """Wire the app.

    Raises:
        LogitsError: INVALID, a URL among the settings can't be used.
    """
    table = RoutingTable(
        console=upstream_of(settings.console_url, "LOGITS_CONSOLE_URL"),
        api_server=upstream_of(settings.api_server_url, "LOGITS_API_SERVER_URL"),
        entity_db=upstream_of(settings.entity_db_url, "LOGITS_ENTITY_DB_URL"),
    )
    policy = IngressPolicy(table, Metrics.create(telemetry.registry), settings.access_token_sha256)
    options = RelayOptions(
        connect_seconds=settings.connect_seconds,
        first_byte_seconds=settings.first_byte_seconds,
        idle_seconds=settings.idle_seconds,
        connections=settings.connections_limit,
        trust_forwarded=False,
        reject=policy.reject,
    )
    pool = UpstreamPool()
    # Every path is relayed; the application only answers the server's own lifespan.
    asgi = Litestar(
        route_handlers=[],
        exception_handlers=problem_handlers(telemetry.log),
        openapi_config=None,
        logging_config=None,
    )
    return IngressProxy(asgi, relay_protocol(policy, pool, options=options), pool)
