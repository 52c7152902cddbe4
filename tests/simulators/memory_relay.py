"""A relay without sockets: bytes are handed to the real protocol, and what it writes is collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from logits_shell.relay import RelayOptions, RelayPolicy, RelayProtocol, Upstream, UpstreamPool, relay_protocol
from logits_shell.relay.upstream import UpstreamConnection


class MemoryTransport(asyncio.Transport):
    """Collects what is written; closes when told to.

    Args:
        protocol: told of the loss of the connection.
        answer: called with every write of the protocol.
    """

    def __init__(
        self, protocol: asyncio.Protocol | UpstreamConnection, answer: Callable[[bytes], None] | None = None
    ) -> None:
        super().__init__()
        self.protocol = protocol
        self.answer = answer
        self.written = bytearray()
        self.closing = False
        self.lost = False
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing:
            return
        self.written += data
        if self.answer is not None:
            self.answer(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self._lose()

    def abort(self) -> None:
        self._lose()

    def _lose(self) -> None:
        self.closing = True
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return 0


class MemoryPool(UpstreamPool):
    """Upstream connections without sockets.

    Args:
        answer: the bytes of the response to each write, b"" for none.
    """

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._answer = answer
        self.respond: Callable[[UpstreamConnection, bytes], None] = self._respond
        self.transports: list[MemoryTransport] = []

    def idle(self, upstream: Upstream, *, fresh: bool = False) -> UpstreamConnection | None:
        """Take an idle connection, or make one at once."""
        return super().idle(upstream, fresh=fresh) or self._made(upstream)

    def _made(self, upstream: Upstream) -> UpstreamConnection:
        connection = UpstreamConnection(upstream, self.give_back)
        transport = MemoryTransport(connection, lambda data: self.respond(connection, data))
        self.transports.append(transport)
        self._open.add(connection)
        connection.connection_made(transport)
        return connection

    def _respond(self, connection: UpstreamConnection, data: bytes) -> None:
        response = self._answer(data)
        if response:
            asyncio.get_running_loop().call_soon(connection.data_received, response)

    @property
    def sent(self) -> list[bytes]:
        """What went upstream, by connection."""
        return [bytes(transport.written) for transport in self.transports]


async def no_application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that nobody reaches."""
    raise AssertionError("a request got past the relay")


class MemoryRelay:
    """Connections to the real protocol, all in one loop."""

    def __init__(self, policy: RelayPolicy, pool: UpstreamPool, options: RelayOptions | None = None) -> None:
        self._protocol = relay_protocol(policy, pool, options=options)
        self._config = uvicorn.Config(no_application, http=self._protocol, log_config=None, access_log=False)
        self._config.load()
        self._state = ServerState()

    def connect(self) -> tuple[RelayProtocol, MemoryTransport]:
        """Open a client connection; must be called within the loop."""
        protocol = self._protocol(self._config, self._state, {})
        transport = MemoryTransport(protocol)
        protocol.connection_made(transport)
        return protocol, transport
