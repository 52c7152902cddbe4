"""The process shell: listeners, background tasks, signals and a bounded drain, for every app."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Any, cast

import anyio
import uvicorn

from logits_core.errors import LogitsError
from logits_core.redaction import Identifier, Port, Seconds
from logits_shell.observation import observation_app
from logits_shell.settings import AppSettings
from logits_shell.telemetry import Telemetry

ASGIApp = Callable[..., Any]
Background = Callable[[], Coroutine[Any, Any, None]]
KEEP_ALIVE_SECONDS = 75
"""Idle keep-alive of our listeners: longer than any pool of ours keeps a connection, so that
a pooled connection is never closed under a request."""


class WaitingServer(uvicorn.Server):
    """A uvicorn server that waits for an event instead of ticking, and leaves signals to the shell."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals alone."""
        return contextlib.nullcontext()

    async def main_loop(self) -> None:
        """Wait until ``stop``: a tick ten times a second adds up over a cluster of idle processes."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Stop accepting, drain within the configured time, end ``serve``."""
        self.should_exit = True
        self._stopping.set()


def _listeners(address: str, port: int) -> list[socket.socket]:
    """A listener at the address, and one at loopback, where port forwards into a pod arrive."""
    first = _listener(address, port)
    own = ip_address(first.getsockname()[0])
    if own.is_loopback or own.is_unspecified:
        return [first]
    return [first, _listener("127.0.0.1", first.getsockname()[1])]


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind((address, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def _server(app: ASGIApp, drain_seconds: float, protocol: type[asyncio.Protocol] | None) -> WaitingServer:
    config = uvicorn.Config(
        cast("Any", app),
        http=protocol or "httptools",
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    return WaitingServer(config)


async def serve(
    telemetry: Telemetry,
    settings: AppSettings,
    app: ASGIApp,
    *background: Background,
    protocol: type[asyncio.Protocol] | None = None,
    started: Callable[[int, int], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> None:
    """Run both listeners and the background tasks until a signal or a task's failure.

    Args:
        telemetry: the process' log, metrics and health.
        settings: address, ports and drain time.
        app: the ASGI app of the ``http`` port.
        background: coroutines that run as long as the process; one that raises stops the process.
        protocol: an HTTP protocol class in place of uvicorn's, such as the relay's.
        started: told the two real ports once both listen.
        stopping: called when the process is told to stop, so that long polls can answer at once.

    Raises:
        OSError: a port is taken.
        ExceptionGroup: what a background task raised.
    """
    main_sockets = _listeners(settings.listen_address, settings.http_port)
    metrics_sockets = _listeners(settings.listen_address, settings.metrics_port)
    main = _server(app, settings.drain_seconds, protocol)
    observed = _server(observation_app(telemetry), 1, None)
    ports = (main_sockets[0].getsockname()[1], metrics_sockets[0].getsockname()[1])
    if started:
        started(*ports)
    telemetry.log.info(
        "{component} serves http on {port} and metrics on {metrics}",
        component=Identifier(telemetry.component),
        port=Port(ports[0]),
        metrics=Port(ports[1]),
    )
    async with anyio.create_task_group() as observation_group:
        observation_group.start_soon(observed.serve, metrics_sockets)
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, telemetry, settings, main, stopping)
            for task in background:
                group.start_soon(task)
            await main.serve(main_sockets)
            group.cancel_scope.cancel()
        observed.stop()


async def _stop_on_signal(
    telemetry: Telemetry, settings: AppSettings, server: WaitingServer, stopping: Callable[[], None] | None
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            telemetry.health.set("process", ready=False, reason="stopping")
            telemetry.log.info("stopping; up to {drain} for requests in flight", drain=Seconds(settings.drain_seconds))
            if stopping:
                stopping()
            server.stop()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an app's ``main`` and turn a refusal at start into one clear line and exit code 2."""
    try:
        anyio.run(main)
    except LogitsError as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(2) from None
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
