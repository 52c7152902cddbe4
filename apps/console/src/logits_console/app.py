"""The Console's wiring: caches, adapters, pages."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import httpx
from litestar import Litestar
from litestar.di import Provide
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig
from prometheus_client import Gauge

from logits_console.adapters.api_server import ApiServer
from logits_console.adapters.gateway import Gateway
from logits_console.errors import error_handlers
from logits_console.keys import Keys
from logits_console.routes.audit import audit_page, entries, log_file, logs
from logits_console.routes.egress import egress_body, egress_entries, egress_page, egress_text
from logits_console.routes.keys import (
    change_key_by_form,
    create_key,
    create_key_by_form,
    delete_key,
    keys_page,
    list_keys,
    revoke_key,
    rotate_key,
)
from logits_console.routes.live import live
from logits_console.routes.models import change_model, create_model, list_models, models_page, switch_model
from logits_console.routes.pages import code_page, overview_page, playground_page, release_plan
from logits_console.routes.playground import chat
from logits_console.routes.usage import list_usage, usage_csv, usage_metrics, usage_page
from logits_console.settings import Settings
from logits_console.usage import UsageRecords
from logits_console.world import World
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.kubernetes import TokenFile
from logits_shell.telemetry import Telemetry
from logits_shell.web.assets import assets
from logits_shell.web.headers import add_security_headers

_HERE = Path(__file__).parent
MAX_BODY_BYTES = 1 << 20


@asynccontextmanager
async def open_world(settings: Settings, telemetry: Telemetry) -> AsyncGenerator[World, None]:
    """The Console's connections; they close when the context ends."""
    gauge = Gauge("logits_console_viewers", "Live pages that are open.", registry=telemetry.registry)
    telemetry.health.set("entity-db", ready=False, reason="waiting for the first list of entities")
    async with (
        httpx.AsyncClient(timeout=10, trust_env=False) as http,
        EntityClient(settings.entity_db_url) as client,
    ):
        yield World(
            client=client,
            deployments=EntityCache(
                client,
                "modeldeployments",
                on_connected=lambda: telemetry.health.set("entity-db", ready=True),
            ),
            models=EntityCache(client, "languagemodels"),
            components=EntityCache(client, "components"),
            gateway=Gateway(http, settings.gateway_url, TokenFile(settings.token_file)),
            api_server=ApiServer(http, settings.api_server_url),
            max_viewers=settings.max_viewers,
            poll_seconds=settings.gateway_poll_seconds,
            count_viewers=gauge.set,
        )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(world: World, telemetry: Telemetry) -> Litestar:
    """The app of the ``http`` port."""
    htmx = Path(str(files("django_htmx"))) / "static" / "django_htmx"
    handlers = [
        overview_page, release_plan, models_page, playground_page, code_page, audit_page,
        switch_model, create_model, change_model, list_models, entries, chat, live,
        keys_page, create_key_by_form, change_key_by_form, list_keys, create_key, rotate_key, revoke_key, delete_key,
        usage_page, usage_csv, list_usage, usage_metrics,
        logs, log_file, egress_page, egress_text, egress_entries, egress_body,
        assets(_HERE / "static", htmx),
    ]  # fmt: skip
    keys = Keys(world.client, secrets.token_bytes, _utc_now)
    records = UsageRecords(world.client, _utc_now)
    return Litestar(
        route_handlers=handlers,
        dependencies={
            "world": Provide(lambda: world, sync_to_thread=False, use_cache=True),
            "keys": Provide(lambda: keys, sync_to_thread=False, use_cache=True),
            "records": Provide(lambda: records, sync_to_thread=False, use_cache=True),
        },
        exception_handlers=error_handlers(telemetry.log),
        template_config=TemplateConfig(directory=_HERE / "templates", engine=JinjaTemplateEngine),
        before_send=[add_security_headers],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
