"""The Service proxy: accepts on a Service's address and copies bytes to one ready pod, unbuffered."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from logits_local.network.endpoints import Address

_CHUNK = 1 << 16
_CONNECT_SECONDS = 3.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
        self._accepted: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Start to listen.

        Raises:
            OSError: the address can't be bound; PermissionError for a port below 1024.
        """
        self._server = await asyncio.start_server(self._serve, *self.address, backlog=512)

    def close(self) -> None:
        """Stop to listen and drop every connection."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._accepted):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted.add(writer)
        pod: Streams | None = None
        try:
            pod = await self._connect()
            if pod is None:
                _reset(writer)
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, pod[1]))
                group.create_task(_copy(pod[0], writer))
        except* OSError:  # so that neither end can take it for a clean end
            for end in (writer, *(pod[1:] if pod else ())):
                _reset(end)
        finally:
            self._accepted.discard(writer)
            for end in (writer, *(pod[1:] if pod else ())):
                end.close()

    async def _connect(self) -> Streams | None:
        """A connection to the target whose turn it is, or to the next one that accepts."""
        self._next += 1
        start = self._next % len(self.targets) if self.targets else 0
        for host, port in (*self.targets[start:], *self.targets[:start]):
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(host, port)
            except OSError:
                continue
        return None


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end; the other one stays open, for a client that half-closes."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if not writer.is_closing():
        writer.write_eof()


class ServiceProxy:
    """Keeps the listeners equal to the wanted routes.

    Args:
        on_refused: told of every address that couldn't be bound, once, with the reason.
    """

    def __init__(self, on_refused: Callable[[Address, OSError], None]) -> None:
        self._on_refused = on_refused
        self._listeners: dict[Address, ServiceListener] = {}
        self._refused: set[Address] = set()

    async def open(self, address: Address) -> None:
        """Listen on an address whose targets aren't known yet; connections until then are reset.

        Raises:
            OSError: the address can't be bound.
        """
        listener = ServiceListener(address, ())
        await listener.open()
        self._listeners[address] = listener

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
