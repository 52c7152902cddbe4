"""Wiring of Accounts: the only place where its parts are put together."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
from litestar import Litestar
from litestar.di import Provide
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from logits_accounts.access import ASSET, Access, person, visitor
from logits_accounts.adapters.environments import Environments
from logits_accounts.adapters.ops_api import OpsApi
from logits_accounts.adapters.organisations import Organisations
from logits_accounts.adapters.outbox import Outbox
from logits_accounts.adapters.people import People
from logits_accounts.adapters.smtp import SmtpRelay
from logits_accounts.bootstrap import apply_bootstrap, read_bootstrap
from logits_accounts.errors import error_handlers
from logits_accounts.keys import make_key
from logits_accounts.loop import Doorbell, announce, deliver, repeat
from logits_accounts.passwords import Passwords
from logits_accounts.routes.environments import environment_routes
from logits_accounts.routes.mailbox import mailbox_routes
from logits_accounts.routes.members import member_routes
from logits_accounts.routes.organisations import organisation_routes
from logits_accounts.routes.sign_in import sign_in_routes
from logits_accounts.services import Metrics, Services
from logits_accounts.settings import Settings
from logits_accounts.tables import Table
from logits_accounts.throttle import Throttle
from logits_core.redaction import Identifier
from logits_shell.database import Database
from logits_shell.telemetry import Telemetry
from logits_shell.web.assets import assets
from logits_shell.web.headers import add_security_headers

_HERE = Path(__file__).parent
WRONG_PASSWORDS = 10
WRONG_PASSWORD_SECONDS = 900.0


@dataclass(frozen=True)
class Accounts:
    """The app and what runs beside it."""

    asgi: Litestar
    services: Services
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...]
    close: Callable[[], Awaitable[None]]


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    *,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    choose: Callable[[int], int] = secrets.randbelow,
    passwords: Passwords | None = None,
) -> Accounts:
    """Open the store, bring its schema up to date, apply the bootstrap file and wire the app.

    Args:
        settings: what this installation decided.
        telemetry: the process' log, metrics and health.
        clock: seconds since the epoch.
        new_token: makes an unguessable token.
        new_id: makes a UUID.
        choose: gives an unpredictable number from 0 up to its argument, exclusive.
        passwords: hashes passwords; argon2's recommended effort by default.

    Raises:
        LogitsError: the store or the bootstrap file cannot be used.
    """
    database = Database(settings.store_url(), connections=settings.database_connections)
    database.upgrade(_HERE / "migrations", Table.metadata)
    metrics = Metrics(telemetry.registry)
    outbox = Outbox(database, clock, new_id, metrics.mails_dropped.inc)
    people = People(database, outbox, clock, new_id)
    services = Services(
        settings=settings,
        people=people,
        organisations=Organisations(database, people, outbox, clock=clock, new_id=new_id),
        environments=Environments(database, clock),
        outbox=outbox,
        passwords=passwords or Passwords(),
        ops_api=OpsApi.connect(settings.ops_api_url, settings.service_token),
        attempts=Throttle(WRONG_PASSWORDS, WRONG_PASSWORD_SECONDS, clock),
        announcer=Doorbell(),
        mailer=Doorbell(),
        followers=anyio.CapacityLimiter(settings.max_followers),
        metrics=metrics,
        clock=clock,
        new_token=new_token,
        new_id=new_id,
        new_key=partial(make_key, choose),
    )
    _bootstrap(settings, telemetry, database, services)
    telemetry.health.set("database", ready=True)

    async def close() -> None:
        await services.ops_api.close()
        database.close()

    return Accounts(_litestar(settings, telemetry, services), services, _loops(telemetry, services), close)


def _bootstrap(settings: Settings, telemetry: Telemetry, database: Database, services: Services) -> None:
    if not settings.bootstrap_file:
        return
    wanted = read_bootstrap(Path(settings.bootstrap_file))
    made = database.run_now(
        lambda session: apply_bootstrap(session, wanted, services.passwords, services.people, services.environments)
    )
    if made:
        telemetry.log.info("the bootstrap file was applied")


def _loops(telemetry: Telemetry, services: Services) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
    settings = services.settings
    relay = (
        SmtpRelay(settings.smtp_url, settings.mail_from, settings.public_url)
        if settings.smtp_url and not settings.development_mailbox
        else None
    )
    announcing = partial(announce, services.environments, services.ops_api)
    mailing = partial(deliver, services.outbox, relay)
    return (
        partial(repeat, announcing, services.announcer, telemetry.log, Identifier("announcing")),
        partial(repeat, mailing, services.mailer, telemetry.log, Identifier("mailing")),
    )


def _litestar(settings: Settings, telemetry: Telemetry, services: Services) -> Litestar:
    access = Access(services.people, secure=settings.secure, session_seconds=settings.session_days * 86_400)
    routes = [sign_in_routes(), organisation_routes(), member_routes(), environment_routes()]
    if settings.development_mailbox:
        routes.append(mailbox_routes())

    def name_mailbox(engine: JinjaTemplateEngine) -> None:
        cast("dict[str, Any]", engine.engine.globals)["development_mailbox"] = settings.development_mailbox

    return Litestar(
        route_handlers=[*routes, assets(_HERE / "static", opt=dict(ASSET))],
        guards=[access.guard],
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False, use_cache=True),
            "access": Provide(lambda: access, sync_to_thread=False, use_cache=True),
            "person": Provide(person, sync_to_thread=False),
            "visitor": Provide(visitor, sync_to_thread=False),
        },
        exception_handlers=error_handlers(telemetry.log),
        template_config=TemplateConfig(
            directory=_HERE / "templates", engine=JinjaTemplateEngine, engine_callback=name_mailbox
        ),
        before_send=[add_security_headers],
        openapi_config=None,
        logging_config=None,
    )
