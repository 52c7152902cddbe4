"""The process shell: listeners, background tasks, signals and a bounded drain, for every app."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, cast

import anyio
import uvicorn
import uvloop

from logits_core.errors import LogitsError
from logits_core.redaction import Identifier, Port, Seconds
from logits_shell.observation import observation_app
from logits_shell.relay import strict_protocol
from logits_shell.settings import AppSettings
from logits_shell.telemetry import Telemetry
from logits_shell.workers import ALONE, Share

ASGIApp = Callable[..., Any]
Background = Callable[[], Coroutine[Any, Any, None]]
SETTLE_SECONDS = 5.0
"""After how long what an app has made counts as there to stay."""

RELAYS_GARBAGE = 10_000
"""New objects after which a process that relays looks for garbage: requests under way are not, and there are many."""

KEEP_ALIVE_SECONDS = 75
"""Idle keep-alive of our listeners: longer than any pool of ours keeps a connection, so that
a pooled connection is never closed under a request."""


@dataclass(frozen=True)
class Secured:
    """A second port of the same app, which speaks https while ``http_port`` speaks http.

    Attributes:
        port: to listen on, at the same address.
        tls: with the certificate.
    """

    port: int
    tls: ssl.SSLContext


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


def _listeners(address: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """A listener at the address, and one at loopback, where port forwards into a pod arrive."""
    first = _listener(address, port, shared=shared)
    own = ip_address(first.getsockname()[0])
    if own.is_loopback or own.is_unspecified:
        return [first]
    return [first, _listener("127.0.0.1", first.getsockname()[1], shared=shared)]


def _listener(address: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def _server(
    app: ASGIApp,
    drain_seconds: float,
    protocol: type[asyncio.Protocol] | None,
    tls: ssl.SSLContext | None = None,
    *,
    lifespan: Literal["on", "off"] = "on",
) -> WaitingServer:
    config = uvicorn.Config(
        cast("Any", app),
        http=protocol or strict_protocol(),
        ws="none",
        loop="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    config.load()
    config.ssl = tls
    return WaitingServer(config)


async def serve(
    telemetry: Telemetry,
    settings: AppSettings,
    app: ASGIApp,
    *background: Background,
    protocol: type[asyncio.Protocol] | None = None,
    tls: ssl.SSLContext | None = None,
    secured: Secured | None = None,
    share: Share = ALONE,
    started: Callable[[int, int], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> None:
    """Run both listeners and the background tasks until a signal or a task's failure.

    Args:
        telemetry: the process' log, metrics and health.
        settings: address, ports and drain time.
        app: the ASGI app of the ``http`` port.
        background: coroutines that run as long as the process; one that raises stops the process.
        protocol: the relay's HTTP protocol with the app's policy; by default one that relays nothing.
        tls: makes the ``http`` port speak https.
        secured: serves https on a port of its own besides.
        share: which of the processes this is that have the ``http`` port together.
        started: told the two real ports once both listen.
        stopping: called when the process is told to stop, so that long polls can answer at once.

    Raises:
        OSError: a port is taken.
        ExceptionGroup: what a background task raised.
    """
    main_sockets = _listeners(settings.listen_address, settings.http_port, shared=share.count > 1)
    metrics_sockets = _listeners(settings.listen_address, share.metrics_port(settings.metrics_port))
    doors = [(_server(app, settings.drain_seconds, protocol, tls), main_sockets)]
    if secured:
        # The lifespan belongs to the first door: an app begins once.
        second = _server(app, settings.drain_seconds, protocol, secured.tls, lifespan="off")
        doors.append((second, _listeners(settings.listen_address, secured.port, shared=share.count > 1)))
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
            group.start_soon(_stop_on_signal, telemetry, settings, [server for server, _ in doors], stopping)
            for task in background:
                group.start_soon(task)
            async with anyio.create_task_group() as serving:
                for server, sockets in doors:
                    serving.start_soon(server.serve, sockets)
            group.cancel_scope.cancel()
        observed.stop()


async def _stop_on_signal(
    telemetry: Telemetry, settings: AppSettings, servers: Sequence[WaitingServer], stopping: Callable[[], None] | None
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            telemetry.health.set("process", ready=False, reason="stopping")
            telemetry.log.info("stopping; up to {drain} for requests in flight", drain=Seconds(settings.drain_seconds))
            # Who sends connections here hears of the end only now, and meanwhile sends more.
            await anyio.sleep(settings.lame_duck_seconds)
            if stopping:
                stopping()
            for server in servers:
                server.stop()


class RelayLoop(uvloop.Loop):
    """uvloop, but names are resolved by Python's socket module, as in every other process of ours."""

    async def getaddrinfo(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, host: str | bytes | None, port: str | bytes | int | None, **hints: int
    ) -> list[Any]:
        """Resolve in a thread: whoever replaced the module's resolver, as the embedded cluster does, is asked."""
        return await self.run_in_executor(None, lambda: socket.getaddrinfo(host, port, **hints))


def run(main: Callable[[], Coroutine[Any, Any, None]], *, relays: bool = False) -> None:
    """Run an app's ``main`` and turn a refusal at start into one clear line and exit code 2.

    Args:
        main: the app.
        relays: the app moves other people's bytes, so it gets the event loop that costs least per byte.
    """
    with refused_at_start():
        if relays:
            gc.set_threshold(RELAYS_GARBAGE)
        anyio.run(_settling, main, backend_options={"loop_factory": RelayLoop} if relays else {})


async def _settling(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    # What is there once an app runs stays: walking through it over and over would hold up every request for long.
    settle = asyncio.get_running_loop().call_later(SETTLE_SECONDS, _spare_what_stays)
    try:
        await main()
    finally:
        settle.cancel()


def _spare_what_stays() -> None:
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def refused_at_start() -> Generator[None]:
    """Turn what keeps an app from starting into one clear line and exit code 2."""
    try:
        yield
    except LogitsError as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(2) from None
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
