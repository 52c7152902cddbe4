"""Wiring of the Gateway: the only place where its parts are put together."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from litestar import Litestar
from litestar.di import Provide

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Bytes, Count, Identifier
from logits_core.rollout import parse_public_key
from logits_gateway.access import Access
from logits_gateway.adapters.api_server import ApiServer
from logits_gateway.adapters.audit_log import AuditLog
from logits_gateway.adapters.ops_api import OWN, OpsApi
from logits_gateway.adapters.state_file import StateFile
from logits_gateway.board import Board
from logits_gateway.callers import Callers, SigningKeys
from logits_gateway.cluster_view import ClusterView
from logits_gateway.door import Door
from logits_gateway.errors import error_handlers
from logits_gateway.journal import Journal
from logits_gateway.ops_loop import OpsLoop
from logits_gateway.rollout_loop import RolloutLoop
from logits_gateway.routes.audit import audit_entries
from logits_gateway.routes.kubernetes import KubernetesRoute
from logits_gateway.routes.ops import export_logs, export_metrics, export_report
from logits_gateway.routes.status import status
from logits_gateway.settings import Settings
from logits_shell.kubernetes import ClusterAccess, KubernetesClient, StaticToken
from logits_shell.telemetry import Telemetry

Background = Callable[[], Coroutine[Any, Any, None]]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Gateway:
    """The app and what runs beside it.

    Attributes:
        asgi: serves the ``http`` port.
        background: tasks that run as long as the process.
        begin: records the start in the audit log; to be awaited before anything is served.
        close: frees connections and files.
    """

    asgi: KubernetesRoute
    background: tuple[Background, ...]
    begin: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class _Volume:
    """What lies on the Gateway's own volume, and the journal that writes there."""

    public_keys: tuple[bytes, ...]
    state: StateFile
    audit_log: AuditLog
    journal: Journal


@dataclass(frozen=True)
class _Links:
    """Ways out of the process: the API server, the Ops API, and the Gateway's own door."""

    server: ApiServer
    ops_api: OpsApi
    own_token: str
    client: KubernetesClient


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
    links = _connect(settings, volume.journal, board, access, clock)
    view = ClusterView.of(links.client, settings.namespace, lambda error: _interrupted(telemetry, error))
    keys = SigningKeys(lambda: links.client.get_path("/openid/v1/jwks"), links.server.own_token, clock)
    callers = Callers(keys, view.pods, settings.namespace, own_token=links.own_token, clock=clock)
    rollout = _rollout(settings, telemetry, volume, board, clock=clock, view=view, client=links.client)
    ops_loop = OpsLoop(
        links.ops_api,
        links.client,
        rollout,
        board=board,
        log=telemetry.log,
        wait_seconds=settings.desired_wait_seconds,
        report_seconds=settings.report_seconds,
        first_sequence=volume.state.report_floor,
    )
    door = Door(
        links.server,
        callers,
        lambda: view.limits(volume.state.progress),
        volume.journal,
        namespace=settings.namespace,
        max_watches=settings.max_watches,
        registry=telemetry.registry,
        clock=clock,
    )
    following = _litestar(telemetry, volume, board, links, Access(callers, volume.journal))
    telemetry.health.set("cluster", ready=False, reason="waiting for the first look at the cluster")
    loops = (rollout.run, ops_loop.run, ops_loop.report, lambda: _ready_when_synced(telemetry, view))
    return Gateway(
        asgi=KubernetesRoute(door, following, telemetry.log),
        background=(*(reflector.run for reflector in view.reflectors), *loops),
        begin=lambda: _begin(settings, telemetry, volume),
        close=lambda: _close(volume, links),
    )


def _open_volume(settings: Settings, telemetry: Telemetry, clock: Clock, output: Callable[[bytes], None]) -> _Volume:
    public_keys = tuple(parse_public_key(key) for key in settings.release_public_keys.split(","))
    state = StateFile(settings.data_directory, public_keys)

    def broken(reason: str) -> None:
        telemetry.health.set("audit", ready=False, reason=reason)
        telemetry.log.error("nothing is changed any more: {reason}", reason=reason)

    audit_log = AuditLog(settings.data_directory / "audit", output, on_broken=broken)
    telemetry.health.set("audit", ready=True)
    return _Volume(public_keys, state, audit_log, Journal(audit_log, state.digest_key, telemetry.registry, clock))


def _connect(settings: Settings, journal: Journal, board: Board, access: ClusterAccess, clock: Clock) -> _Links:
    server = ApiServer(access, max_watches=settings.max_watches)
    ops_api = OpsApi(settings.ops_api_url, settings.env_id, settings.env_key, journal=journal, board=board, clock=clock)
    # The Gateway has no private way to the cluster: its own loops pass the same policy and audit.
    address = "127.0.0.1" if settings.listen_address == "0.0.0.0" else settings.listen_address
    host = f"[{address}]" if ":" in address else address
    own_token = secrets.token_urlsafe(32)
    client = KubernetesClient(
        f"http://{host}:{settings.http_port}/kubernetes", StaticToken(own_token), user_agent="logits-gateway"
    )
    return _Links(server, ops_api, own_token, client)


def _rollout(
    settings: Settings,
    telemetry: Telemetry,
    volume: _Volume,
    board: Board,
    *,
    clock: Clock,
    view: ClusterView,
    client: KubernetesClient,
) -> RolloutLoop:
    return RolloutLoop(
        view,
        client,
        volume.state,
        public_keys=volume.public_keys,
        board=board,
        log=telemetry.log,
        deadline=settings.rollout_deadline_seconds,
        image_pull_policy=settings.image_pull_policy,
        clock=clock,
    )


def _litestar(telemetry: Telemetry, volume: _Volume, board: Board, links: _Links, access: Access) -> Litestar:
    return Litestar(
        route_handlers=[status, audit_entries, export_logs, export_metrics, export_report],
        guards=[access.guard],
        dependencies={
            "board": Provide(lambda: board, sync_to_thread=False, use_cache=True),
            "audit_log": Provide(lambda: volume.audit_log, sync_to_thread=False, use_cache=True),
            "ops_api": Provide(lambda: links.ops_api, sync_to_thread=False, use_cache=True),
        },
        exception_handlers=error_handlers(telemetry.log),
        openapi_config=None,
        logging_config=None,
    )


async def _begin(settings: Settings, telemetry: Telemetry, volume: _Volume) -> None:
    recovery = volume.audit_log.recovery
    act = volume.journal.act("start", "/", subject=OWN)
    act.notes.update({"version": settings.version, "epoch": "new" if recovery.fresh else "continued"})
    if recovery.torn_bytes:
        act.notes.update({"torn-bytes": str(recovery.torn_bytes), "torn-sha256": recovery.torn_digest})
    await volume.journal.outcome(act, 200, durable=True)
    telemetry.log.info(
        "the audit log holds {entries} entries; {torn} of a torn tail were put aside",
        entries=Count(volume.audit_log.head.size),
        torn=Bytes(recovery.torn_bytes),
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
    sys.stdout.write(line.decode())
    sys.stdout.flush()


async def _close(volume: _Volume, links: _Links) -> None:
    await links.client.aclose()
    await links.server.aclose()
    await links.ops_api.aclose()
    volume.audit_log.close()
