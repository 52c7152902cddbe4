"""The pool of idle upstream connections, newest first, closed after a while."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

from logits_shell.relay.addresses import AddressBook
from logits_shell.relay.familiar import Familiar
from logits_shell.relay.framing import ResponseHead
from logits_shell.relay.policy import FailureKind, Upstream
from logits_shell.relay.upstream import UpstreamConnection

FRESH_SECONDS = 1.0
"""Idle for less than this, a connection is taken for live even by a request that can't be sent twice."""


class UnreachableError(Exception):
    """No connection to an upstream could be made.

    Attributes:
        kind: `CONNECT` or `CONNECT_TIMEOUT`.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class UpstreamPool:
    """Keeps connections of finished exchanges for the next ones.

    Args:
        idle_seconds: How long an idle connection is kept at most: below the 5 s after which common engines
            close theirs. An upstream's own `Keep-Alive: timeout` shortens it.
        idle_per_upstream: Most idle connections to one upstream; the oldest is closed for a newer one.
        addresses: Resolves names.
        tls: Trust for connections that speak TLS; without it they speak plainly.
    """

    def __init__(
        self,
        *,
        idle_seconds: float = 4.0,
        idle_per_upstream: int = 64,
        addresses: AddressBook | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._idle_per_upstream = idle_per_upstream
        self._addresses = addresses or AddressBook()
        self._familiar = Familiar[ResponseHead]()
        self._idle: dict[Upstream, deque[UpstreamConnection]] = {}
        self._open: set[UpstreamConnection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._known_loop: asyncio.AbstractEventLoop | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        # To ask for the running loop is a system call, which is much for each request.
        self._known_loop = loop = self._known_loop or asyncio.get_running_loop()
        return loop

    def idle(self, upstream: Upstream, *, fresh: bool = False) -> UpstreamConnection | None:
        """Take the most recently used idle connection, None when there is none.

        A connection that its upstream may be closing at this moment isn't given out.

        Args:
            upstream: Where it shall lead.
            fresh: Only one that was in use a moment ago: the request can't be sent twice.
        """
        waiting = self._idle.get(upstream)
        if not waiting:
            return None
        now = self._loop.time()
        while waiting:
            connection = waiting.pop()
            age = now - connection.idle_since
            if connection.usable and age < self._idle_seconds and age < connection.kept_seconds:
                if not fresh or age < FRESH_SECONDS:
                    return connection
                waiting.append(connection)
                return None
            connection.abort()
        return None

    async def connect(self, upstream: Upstream, seconds: float) -> UpstreamConnection:
        """Open a new connection within `seconds`.

        Raises:
            UnreachableError: nobody answers there.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._connect(upstream)
        except TimeoutError:
            self._addresses.forget(upstream.host, upstream.port)
            raise UnreachableError(FailureKind.CONNECT_TIMEOUT, f"no connection in {seconds:g} s") from None
        except OSError as error:
            self._addresses.forget(upstream.host, upstream.port)
            raise UnreachableError(FailureKind.CONNECT, str(error)) from error

    def adopt(self, upstream: Upstream) -> UpstreamConnection:
        """Return a connection to be, which comes back here after each exchange; see `give_back`."""
        return UpstreamConnection(upstream, self.give_back, self._familiar)

    async def _connect(self, upstream: Upstream) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        addresses = await self._addresses.resolve(upstream.host, upstream.port)
        failure: OSError = OSError(f"{upstream.host} has no address")
        for address in addresses:
            try:
                connection = self.adopt(upstream)
                await loop.create_connection(
                    # A protocol needs no base class, and without one it can be compiled whole.
                    lambda made=connection: cast("asyncio.Protocol", made),
                    address,
                    upstream.port,
                    ssl=self._tls,
                    server_hostname=upstream.host if self._tls else None,
                )
            except OSError as error:
                failure = error
                continue
            self._open.add(connection)
            return connection
        raise failure

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones included."""
        return len(self._open)

    def close(self) -> None:
        """Close every connection, busy ones too."""
        self._closed = True
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._open):
            connection.abort()

    def give_back(self, connection: UpstreamConnection, reusable: bool) -> None:
        """Keep a connection for the next exchange, or let go of one that can't have another."""
        if not reusable or self._closed:
            self._open.discard(connection)
            waiting = self._idle.get(connection.upstream)
            if waiting is not None and connection in waiting:
                waiting.remove(connection)
            return
        loop = self._loop
        connection.idle_since = loop.time()
        waiting = self._idle.get(connection.upstream)
        if waiting is None:
            waiting = self._idle[connection.upstream] = deque()
        waiting.append(connection)
        if len(waiting) > self._idle_per_upstream:
            waiting.popleft().abort()
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        loop = self._loop
        oldest = loop.time() - self._idle_seconds
        for upstream, waiting in list(self._idle.items()):
            while waiting and waiting[0].idle_since <= oldest:
                waiting.popleft().abort()
            if not waiting:
                del self._idle[upstream]
        next_age = min((waiting[0].idle_since for waiting in self._idle.values()), default=None)
        self._sweeper = None
        if next_age is not None:
            self._sweeper = loop.call_at(next_age + self._idle_seconds + 0.01, self._sweep)
