"""Wiring of the Ingress Proxy: routing table, door, policy, relay and sign-in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar
from litestar.di import Provide

from logits_core.errors import ErrorCode, LogitsError
from logits_ingress_proxy.adapters.certificate import Certificate
from logits_ingress_proxy.adapters.issuer import Client, Issuer
from logits_ingress_proxy.door import SessionDoor
from logits_ingress_proxy.metrics import Metrics
from logits_ingress_proxy.policy import IngressPolicy
from logits_ingress_proxy.routes.sign_in import SignIn, begin, come_back, finish_form, sign_out
from logits_ingress_proxy.sessions import Sessions
from logits_ingress_proxy.settings import Settings
from logits_ingress_proxy.table import RoutingTable, upstream_of
from logits_ingress_proxy.users import Users, read_users
from logits_shell.problems import problem_handlers
from logits_shell.relay import RelayOptions, RelayProtocol, UpstreamPool, relay_protocol
from logits_shell.telemetry import Telemetry
from logits_shell.web.headers import add_security_headers
from logits_shell.workers import ALONE, Share


@dataclass(frozen=True)
class IngressProxy:
    """The wired app."""

    asgi: Litestar
    protocol: type[RelayProtocol]
    pool: UpstreamPool
    certificate: Certificate | None


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    *,
    now: Callable[[], float] = time.monotonic,
    share: Share = ALONE,
) -> IngressProxy:
    """Wire the app.

    Args:
        settings: Where the systems are, who may use them, bounds and times.
        telemetry: Log and metrics of the process.
        now: Monotonic seconds.
        share: Which of the processes this is that have the port together.

    Raises:
        LogitsError: INVALID, a setting or a file that one names can't be used.
    """
    sign_in = _sign_in(settings, now)
    door = None if sign_in is None else SessionDoor(sign_in.sessions, sign_in.users)
    table = RoutingTable(
        console=upstream_of(settings.console_url, "LOGITS_CONSOLE_URL"),
        api_server=upstream_of(settings.api_server_url, "LOGITS_API_SERVER_URL"),
        entity_db=upstream_of(settings.entity_db_url, "LOGITS_ENTITY_DB_URL"),
    )
    policy = IngressPolicy(table, Metrics.create(telemetry.registry), settings.access_token_sha256, door)
    options = RelayOptions(
        connect_seconds=settings.connect_seconds,
        first_byte_seconds=settings.first_byte_seconds,
        idle_seconds=settings.idle_seconds,
        connections=share.of(settings.connections_limit),
        trust_forwarded=False,
        reject=policy.reject,
    )
    pool = UpstreamPool()
    # Every other path is relayed.
    asgi = Litestar(
        route_handlers=[] if sign_in is None else [begin, finish_form, come_back, sign_out],
        dependencies={"sign_in": Provide(lambda: sign_in, sync_to_thread=False)},
        exception_handlers=problem_handlers(telemetry.log),
        before_send=[add_security_headers],
        openapi_config=None,
        logging_config=None,
    )
    return IngressProxy(asgi, relay_protocol(policy, pool, options=options), pool, _certificate(settings))


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate_file is None:
        return None
    if settings.tls_key_file is None:
        raise _missing("LOGITS_TLS_KEY_FILE", "the private key of the certificate")
    return Certificate(settings.tls_certificate_file, settings.tls_key_file)


def _sign_in(settings: Settings, now: Callable[[], float]) -> SignIn | None:
    if settings.authentication == "none":
        return None
    https = settings.tls_certificate_file is not None or settings.public_url.startswith("https:")
    sessions = Sessions(_session_key(settings), settings.session_seconds, secure=https)
    if settings.authentication == "users":
        if settings.users_file is None:
            raise _missing("LOGITS_USERS_FILE", "the users of the authentication `users`")
        return SignIn(sessions, users=Users(read_users(settings.users_file), now))
    for name in ("oidc_issuer", "oidc_client_id", "public_url"):
        if not getattr(settings, name):
            raise _missing(f"LOGITS_{name.upper()}", "part of the authentication `oidc`")
    secret = _read(settings.oidc_client_secret_file, "LOGITS_OIDC_CLIENT_SECRET_FILE").decode().strip()
    back = settings.public_url + "/sign-in/callback"
    issuer = Issuer(Client(settings.oidc_issuer, settings.oidc_client_id, secret, back))
    domains = frozenset(domain.strip().lower() for domain in settings.oidc_email_domains.split(",") if domain.strip())
    return SignIn(sessions, issuer=issuer, domains=domains)


def _session_key(settings: Settings) -> bytes:
    if settings.session_key_file is None:
        if settings.workers > 1:
            raise _missing("LOGITS_SESSION_KEY_FILE", "one key that the sessions of all workers are signed with")
        return secrets.token_bytes(32)
    key = _read(settings.session_key_file, "LOGITS_SESSION_KEY_FILE")
    if len(key) < 32:
        raise LogitsError(ErrorCode.INVALID, "LOGITS_SESSION_KEY_FILE must hold at least 32 bytes")
    return key


def _read(path: Path | None, name: str) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except OSError:
        raise LogitsError(ErrorCode.INVALID, f"{name}: {path} can't be read; mount it there", field=name) from None


def _missing(name: str, what: str) -> LogitsError:
    return LogitsError(ErrorCode.INVALID, f"{name} is missing: {what}; set it", field=name)
