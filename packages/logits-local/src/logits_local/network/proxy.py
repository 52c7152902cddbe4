"""The Service proxy: accepts on a Service's address and copies bytes to one ready pod, unbuffered."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from logits_local.network.endpoints import Address

_HIGH_WATER = 1 << 18
_CONNECT_SECONDS = 3.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ServiceListener:
    """One listening address and the targets that it spreads connections over, in turn.

    Args:
        address: where to listen.
        targets: ready targets; replaced whenever they change.
    """

    def __init__(self, address: Address, targets: tuple[Address, ...]) -> None:
        self.address = address
        self.targets = targets
        self._next = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Side] = set()

    async def open(self) -> None:
        """Start to listen.

        Raises:
            OSError: the address can't be bound; PermissionError for a port below 1024.
        """
        loop = asyncio.get_running_loop()
        host, port = self.address
        self._server = await loop.create_server(lambda: _Client(self), host, port, backlog=512)

    def close(self) -> None:
        """Stop to listen and drop every connection."""
        if self._server is not None:
            self._server.close()
        for side in tuple(self._connections):
            side.abort()

    def attempts(self) -> list[Address]:
        """The targets to try for one connection, beginning with the one whose turn it is."""
        if not self.targets:
            return []
        start = self._next % len(self.targets)
        self._next = start + 1
        return [*self.targets[start:], *self.targets[:start]]

    def joined(self, side: _Side) -> None:
        """Remember a connection, to drop it when the listener closes."""
        self._connections.add(side)

    def left(self, side: _Side) -> None:
        """Forget a connection."""
        self._connections.discard(side)


class _Side(asyncio.Protocol):
    """One of the two connections of a proxied stream; writes what it reads to its peer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Side | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.peer is None or self.peer.transport is None or self.transport is None:
            return False
        if self.peer.ended:  # both directions have ended; closing still sends what is buffered
            self.peer.transport.close()
            return False
        self.peer.transport.write_eof()
        return True  # our other direction stays open: a client may half-close after its request

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer is None or self.peer.transport is None:
            return
        if exc is None:
            self.peer.transport.close()
        else:
            self.peer.abort()

    def abort(self) -> None:
        """End the connection with a reset, so that the other end can't take it for a clean end."""
        if self.transport is None or self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


class _Client(_Side):
    """The accepted side: finds a target first and reads nothing until it has one."""

    def __init__(self, listener: ServiceListener) -> None:
        super().__init__()
        self._listener = listener
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.joined(self)
        cast("asyncio.Transport", transport).pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for host, port in self._listener.attempts():
            peer = _Side()
            peer.peer = self
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await loop.create_connection(lambda side=peer: side, host, port)
            except OSError:
                continue
            self.peer = peer
            if self.transport is None or self.transport.is_closing():
                peer.abort()
            else:
                self.transport.resume_reading()
            return
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.left(self)
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        super().connection_lost(exc)


class ServiceProxy:
    """Keeps the listeners equal to the wanted routes.

    Args:
        on_refused: told of every address that couldn't be bound, once, with the reason.
    """

    def __init__(self, on_refused: Callable[[Address, OSError], None]) -> None:
        self._on_refused = on_refused
        self._listeners: dict[Address, ServiceListener] = {}
        self._refused: set[Address] = set()

    async def update(self, wanted: dict[Address, tuple[Address, ...]]) -> None:
        """Open, retarget and close listeners until they are as wanted."""
        for address in self._listeners.keys() - wanted.keys():
            self._listeners.pop(address).close()
        self._refused &= wanted.keys()
        for address, reached in wanted.items():
            listener = self._listeners.get(address)
            if listener is not None:
                listener.targets = reached
            else:
                await self._open(ServiceListener(address, reached))

    async def _open(self, listener: ServiceListener) -> None:
        try:
            await listener.open()
        except OSError as failure:
            if listener.address not in self._refused:
                self._refused.add(listener.address)
                self._on_refused(listener.address, failure)
        else:
            self._refused.discard(listener.address)
            self._listeners[listener.address] = listener

    def close(self) -> None:
        """Close every listener."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
