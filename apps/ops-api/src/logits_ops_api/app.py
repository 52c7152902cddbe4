"""Wiring of the Ops API: the only place where its parts are put together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from logits_ops_api.access import PUBLIC, Access
from logits_ops_api.adapters.environments import Environments
from logits_ops_api.adapters.operator_sessions import OperatorSessions
from logits_ops_api.adapters.releases import Releases
from logits_ops_api.adapters.retention import Expiry, Retention
from logits_ops_api.adapters.telemetry import Telemetry as TelemetryStore
from logits_ops_api.batches import Limits
from logits_ops_api.changes import Changes
from logits_ops_api.director import Director
from logits_ops_api.errors import error_handlers
from logits_ops_api.loop import keep_retention
from logits_ops_api.routes.fleet import fleet_routes
from logits_ops_api.routes.gateway import gateway_routes
from logits_ops_api.routes.internal import internal_routes
from logits_ops_api.routes.operator import operator_routes
from logits_ops_api.services import Metrics, Services
from logits_ops_api.settings import Settings
from logits_ops_api.tables import Table
from logits_shell.database import Database
from logits_shell.telemetry import Telemetry
from logits_shell.web.assets import assets
from logits_shell.web.headers import add_security_headers

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class OpsApi:
    """The app and what runs beside it."""

    asgi: Litestar
    services: Services
    retention: Callable[[], Coroutine[Any, Any, None]]
    close: Callable[[], None]


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    *,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
) -> OpsApi:
    """Open the store, bring its schema up to date and wire the app.

    Args:
        settings: what this installation decided.
        telemetry: the process' log, metrics and health.
        clock: seconds since the epoch.
        new_token: makes an unguessable session token.

    Raises:
        LogitsError: the store cannot be used.
    """
    database = Database(settings.store_url(), connections=settings.database_connections)
    database.upgrade(_HERE / "migrations", Table.metadata)
    metrics = Metrics(telemetry.registry)
    services = Services(
        settings=settings,
        environments=Environments(database, clock),
        releases=Releases(database, _director(settings), clock),
        telemetry=TelemetryStore(database, clock),
        sessions=OperatorSessions(database),
        changes=Changes(settings.max_waiters, on_count=metrics.waiters.set, on_refused=metrics.refused.inc),
        limits=Limits(
            compressed=settings.max_batch_bytes,
            plain=settings.max_batch_plain_bytes,
            records=settings.max_batch_records,
        ),
        metrics=metrics,
        clock=clock,
        new_token=new_token,
    )
    expiry = Expiry(database, _retention(settings))
    telemetry.health.set("database", ready=True)
    return OpsApi(
        asgi=_litestar(settings, telemetry, services),
        services=services,
        retention=partial(keep_retention, expiry, metrics, telemetry.log, clock),
        close=database.close,
    )


def _director(settings: Settings) -> Director:
    return Director(settings.director_key, timedelta(hours=settings.director_hours))


def _retention(settings: Settings) -> Retention:
    return Retention(
        seconds=settings.retention_days * 86_400,
        log_lines=settings.retention_records,
        metric_batches=settings.retention_metric_batches,
    )


def _litestar(settings: Settings, telemetry: Telemetry, services: Services) -> Litestar:
    access = Access(
        services.environments,
        services.sessions,
        operator_sha256=settings.operator_token_sha256,
        service_sha256=settings.service_token_sha256,
        clock=services.clock,
    )
    return Litestar(
        route_handlers=[
            gateway_routes(),
            operator_routes(),
            internal_routes(),
            fleet_routes(),
            assets(opt=dict(PUBLIC)),
        ],
        guards=[access.guard],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False, use_cache=True)},
        exception_handlers=error_handlers(telemetry.log),
        template_config=TemplateConfig(directory=_HERE / "templates", engine=JinjaTemplateEngine),
        before_send=[add_security_headers],
        request_max_body_size=settings.max_batch_bytes,
        openapi_config=None,
        logging_config=None,
    )
