"""Wiring of the Gateway: the only place where its parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from litestar.di import Provide

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Bytes, Count, Identifier
from logits_core.rollout import Site
from logits_gateway.access import Access, add_receipt
from logits_gateway.adapters.api_server import ApiServer
from logits_gateway.adapters.audit_log import AuditLog
from logits_gateway.adapters.certificate import Certificate
from logits_gateway.adapters.egress_ledger import EgressLedger
from logits_gateway.adapters.ops_api import OWN, OpsApi
from logits_gateway.adapters.state_file import StateFile
from logits_gateway.board import Board
from logits_gateway.callers import Callers, SigningKeys
from logits_gateway.cluster_view import ClusterView
from logits_gateway.door import Door
from logits_gateway.errors import error_handlers
from logits_gateway.journal import Journal
from logits_gateway.keeper import Keeper
from logits_gateway.offers import Offers
from logits_gateway.ops_loop import OpsLoop
from logits_gateway.rollout_loop import RolloutLoop
from logits_gateway.routes.audit import audit_entries, audit_log_file, audit_logs
from logits_gateway.routes.egress import egress_body, egress_entries
from logits_gateway.routes.kubernetes import KubernetesRoute
from logits_gateway.routes.ops import export_logs, export_metrics, export_report
from logits_gateway.routes.status import status
from logits_gateway.settings import Settings
from logits_gateway.switch import Switch
from logits_gateway.unreadable import Unreadable
from logits_shell.kubernetes import ClusterAccess, KubernetesClient, StaticToken
from logits_shell.lean import LeanLitestar
from logits_shell.serve import Secured
from logits_shell.telemetry import Telemetry

Background = Callable[[], Coroutine[Any, Any, None]]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Gateway:
    """The app and what runs beside it.

    Attributes:
        asgi: serves the ``http`` port.
        protocol: reads HTTP for it, within bounds.
        secured: its port for stock clients, which send their tokens over TLS only.
        background: tasks that run as long as the process.
        begin: records the start in the audit log; to be awaited before anything is served.
        close: frees connections and files.
    """

    asgi: KubernetesRoute
    protocol: type[asyncio.Protocol]
    secured: Secured | None
    background: tuple[Background, ...]
    begin: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class _Volume:
    """What lies on the Gateway's own volume, and the journal that writes there."""

    state: StateFile
    audit_log: AuditLog
    journal: Journal
    ledger: EgressLedger
    certificate: Certificate


@dataclass(frozen=True)
class _Cluster:
    """The API server, the Gateway's own door to it with the token for that, and what is seen through it."""

    server: ApiServer
    own_token: str
    client: KubernetesClient
    view: ClusterView


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    access: ClusterAccess,
    *,
    clock: Clock = time.time,
    audit_output: Callable[[bytes], None] | None = None,
) -> Gateway:
    """Open the Gateway's volume and wire the app.

    Args:
        settings: what the customer decided; ``http_port`` must be a fixed one, because the Gateway's
            own loops come in through it.
        telemetry: the process' log, metrics and health.
        access: the API server, with the Gateway's own ServiceAccount.
        clock: seconds since the epoch.
        audit_output: gets every audit line too; the process' own output by default.

    Raises:
        LogitsError: a setting is unusable, or what the volume holds is damaged.
    """
    if not settings.namespace:
        raise LogitsError(
            ErrorCode.INVALID, "LOGITS_NAMESPACE must name the release's namespace", field="LOGITS_NAMESPACE"
        )
    volume = _open_volume(settings, telemetry, clock, audit_output or _print_line)
    board = Board(settings.env_id, settings.version)
    cluster = _cluster(settings, telemetry, access)
    view = cluster.view
    switch = Switch(view, settings.mode, volume.journal, board, telemetry.log)
    ops_api = _ops_api(settings, volume, board, switch, clock)
    keys = SigningKeys(lambda: cluster.client.get_path("/openid/v1/jwks"), cluster.server.own_token, clock)
    callers = Callers(keys, view.pods, settings.namespace, own_token=cluster.own_token, clock=clock)
    offers = _offers(settings, telemetry, volume, clock=clock, parts=(cluster, switch))
    rollout = _rollout(settings, telemetry, volume, board, clock=clock, parts=(cluster, offers))
    ops_loop = _ops_loop(settings, telemetry, volume, board, parts=(ops_api, cluster, offers, switch))
    door = _door(settings, telemetry, volume, clock=clock, parts=(cluster, callers, switch))
    following = _litestar(telemetry, volume, board, ops_api, Access(callers, volume.journal))
    telemetry.health.set("cluster", ready=False, reason="waiting for the first look at the cluster")
    unreadable = Unreadable(volume.journal, telemetry.registry)
    keeper = _keeper(settings, telemetry, volume, cluster, switch)
    loops = (
        unreadable.run,
        keeper.sign,
        keeper.beat,
        keeper.publish,
        switch.run,
        rollout.run,
        ops_loop.run,
        ops_loop.report,
        lambda: _ready_when_synced(telemetry, view),
    )
    return Gateway(
        asgi=KubernetesRoute(door, following, telemetry.log),
        protocol=unreadable.protocol(),
        secured=Secured(settings.tls_port, volume.certificate.context) if settings.tls_port else None,
        background=(*(reflector.run for reflector in view.reflectors), *loops),
        begin=lambda: _begin(settings, telemetry, volume),
        close=lambda: _close(volume, cluster, ops_api),
    )


def _open_volume(settings: Settings, telemetry: Telemetry, clock: Clock, output: Callable[[bytes], None]) -> _Volume:
    state = StateFile(settings.data_directory, settings.pins)

    def broken(reason: str) -> None:
        telemetry.health.set("audit", ready=False, reason=reason)
        telemetry.log.error("nothing is changed any more: {reason}", reason=reason)

    audit_log = AuditLog(settings.data_directory / "audit", settings.env_id, output, on_broken=broken)
    telemetry.health.set("audit", ready=True)
    ledger = EgressLedger(settings.data_directory / "egress", settings.egress_days, clock)
    journal = Journal(audit_log, state.digest_key, telemetry.registry, clock)
    certificate = Certificate.kept(settings.data_directory, settings.namespace)
    return _Volume(state, audit_log, journal, ledger, certificate)


def _cluster(settings: Settings, telemetry: Telemetry, access: ClusterAccess) -> _Cluster:
    server = ApiServer(access, max_watches=settings.max_watches)
    # The Gateway has no private way to the cluster: its own loops pass the same policy and audit.
    address = "127.0.0.1" if settings.listen_address == "0.0.0.0" else settings.listen_address
    host = f"[{address}]" if ":" in address else address
    own_token = secrets.token_urlsafe(32)
    client = KubernetesClient(
        f"http://{host}:{settings.http_port}/kubernetes", StaticToken(own_token), user_agent="logits-gateway"
    )
    view = ClusterView.of(client, settings.namespace, lambda error: _interrupted(telemetry, error))
    return _Cluster(server, own_token, client, view)


def _ops_api(settings: Settings, volume: _Volume, board: Board, switch: Switch, clock: Clock) -> OpsApi:
    return OpsApi(
        settings.ops_api_url,
        settings.env_id,
        settings.env_key,
        journal=volume.journal,
        ledger=volume.ledger,
        board=board,
        paused=switch.paused,
        clock=clock,
    )


def _door(
    settings: Settings,
    telemetry: Telemetry,
    volume: _Volume,
    *,
    clock: Clock,
    parts: tuple[_Cluster, Callers, Switch],
) -> Door:
    cluster, callers, switch = parts
    return Door(
        cluster.server,
        callers,
        lambda: cluster.view.limits(volume.state.progress),
        volume.journal,
        mode=switch.mode,
        namespace=settings.namespace,
        max_watches=settings.max_watches,
        registry=telemetry.registry,
        clock=clock,
    )


def _keeper(settings: Settings, telemetry: Telemetry, volume: _Volume, cluster: _Cluster, switch: Switch) -> Keeper:
    return Keeper(
        volume.audit_log,
        volume.journal,
        cluster.client,
        namespace=settings.namespace,
        logger=telemetry.log,
        checkpoint_seconds=settings.checkpoint_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        free=switch.free,
        owner=cluster.view.owner,
        certificate=volume.certificate.chain,
    )


def _ops_loop(
    settings: Settings,
    telemetry: Telemetry,
    volume: _Volume,
    board: Board,
    *,
    parts: tuple[OpsApi, _Cluster, Offers, Switch],
) -> OpsLoop:
    ops_api, cluster, offers, switch = parts
    return OpsLoop(
        ops_api,
        cluster.client,
        offers,
        board=board,
        log=telemetry.log,
        wait_seconds=settings.desired_wait_seconds,
        report_seconds=settings.report_seconds,
        first_sequence=volume.state.report_floor,
        free=switch.free,
    )


def _offers(
    settings: Settings, telemetry: Telemetry, volume: _Volume, *, clock: Clock, parts: tuple[_Cluster, Switch]
) -> Offers:
    cluster, switch = parts
    return Offers(
        volume.state,
        cluster.view,
        telemetry.log,
        pins=settings.pins,
        site=Site(settings.env_id, settings.version, kubernetes=""),
        free=switch.free,
        clock=clock,
    )


def _rollout(
    settings: Settings,
    telemetry: Telemetry,
    volume: _Volume,
    board: Board,
    *,
    clock: Clock,
    parts: tuple[_Cluster, Offers],
) -> RolloutLoop:
    cluster, offers = parts
    return RolloutLoop(
        cluster.view,
        cluster.client,
        volume.state,
        offers=offers,
        journal=volume.journal,
        board=board,
        log=telemetry.log,
        deadline=settings.rollout_deadline_seconds,
        image_pull_policy=settings.image_pull_policy,
        clock=clock,
    )


def _litestar(telemetry: Telemetry, volume: _Volume, board: Board, ops_api: OpsApi, access: Access) -> LeanLitestar:
    handlers = [
        status, audit_entries, audit_logs, audit_log_file, egress_entries, egress_body,
        export_logs, export_metrics, export_report,
    ]  # fmt: skip
    return LeanLitestar(
        route_handlers=handlers,
        guards=[access.guard],
        before_send=[add_receipt],
        dependencies={
            "board": Provide(lambda: board, sync_to_thread=False, use_cache=True),
            "audit_log": Provide(lambda: volume.audit_log, sync_to_thread=False, use_cache=True),
            "access": Provide(lambda: access, sync_to_thread=False, use_cache=True),
            "ledger": Provide(lambda: volume.ledger, sync_to_thread=False, use_cache=True),
            "ops_api": Provide(lambda: ops_api, sync_to_thread=False, use_cache=True),
        },
        exception_handlers=error_handlers(telemetry.log),
        openapi_config=None,
        logging_config=None,
    )


async def _begin(settings: Settings, telemetry: Telemetry, volume: _Volume) -> None:
    log = volume.audit_log
    act = volume.journal.act("start", "/", subject=OWN)
    act.notes.update(log.opening.notes)
    act.notes.update(
        {"version": settings.version, "key": log.verifier, "heartbeat-seconds": f"{settings.heartbeat_seconds:g}"}
    )
    await volume.journal.outcome(act, 200, durable=True)
    await log.checkpoint()
    telemetry.log.info(
        "the audit log holds {entries} entries; {torn} of a torn tail were put aside",
        entries=Count(log.size),
        torn=Bytes(int(log.opening.notes.get("torn-bytes", "0"))),
    )


async def _ready_when_synced(telemetry: Telemetry, view: ClusterView) -> None:
    for reflector in view.reflectors:
        await reflector.synced.wait()
    telemetry.health.set("cluster", ready=True)


def _interrupted(telemetry: Telemetry, error: LogitsError) -> None:
    telemetry.log.warning(
        "a watch was interrupted by {code}: {message}",
        code=Identifier(error.code.value),
        message=error.message,
    )


def _print_line(line: bytes) -> None:
    # Straight to the bytes below the text, which is flushed after every line.
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


async def _close(volume: _Volume, cluster: _Cluster, ops_api: OpsApi) -> None:
    # Without this record the log shows that the process ended in another way than by being stopped.
    with contextlib.suppress(LogitsError):
        await volume.journal.outcome(volume.journal.act("stop", "/", subject=OWN), 200, durable=True)
        await volume.audit_log.checkpoint()
    await cluster.client.aclose()
    await cluster.server.aclose()
    await ops_api.aclose()
    volume.audit_log.close()
