"""A scripted upstream: an HTTP server on loopback whose every byte, pause and death a test controls."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

DEADLINE = 10.0


class Visit:
    """One connection that the relay made: what it sent, and what the script answers.

    Attributes:
        requests: Raw heads received so far.
        bodies: Bodies received so far, decoded.
        gone: Set when the relay has closed the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.requests: list[bytes] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()

    async def request(self) -> bytes:
        """Read one whole request; returns its raw head."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        self.bodies.append(await self._body(head))
        return head

    async def head(self) -> bytes:
        """Read one request head and leave the body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head

    async def _body(self, head: bytes) -> bytes:
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        if length:
            return await self._reader.readexactly(int(length[1]))
        body = b""
        if re.search(rb"\r\ntransfer-encoding: chunked", head, re.IGNORECASE):
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                body += await self._reader.readexactly(size)
                await self._reader.readexactly(2)
            await self._reader.readexactly(2)
        return body

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes, *, status: str = "200 OK", fields: str = "") -> None:
        """Send a whole response with a length."""
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{fields}\r\n"
        await self.send(head.encode() + body)

    async def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; empty ends it."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def events(self) -> None:
        """Send the head of an event stream."""
        await self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    async def until_gone(self) -> None:
        """Read on until the relay closes the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass
        self.gone.set()

    def reset(self) -> None:
        """Die: the peer sees a reset."""
        if self._writer.transport.is_closing():
            return
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Close properly."""
        self._writer.close()


Script = Callable[[Visit], Awaitable[None]]


class ScriptedUpstream:
    """Listens on a loopback port and runs the script for each connection.

    Attributes:
        host, port: Where it listens.
        visits: Every connection so far.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.host = "127.0.0.1"
        self.port = 0
        self.visits: list[Visit] = []
        self._arrived = asyncio.Condition()

    async def visit(self, number: int) -> Visit:
        """Wait for connection `number`, counted from 0."""
        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(lambda: len(self.visits) > number)
        return self.visits[number]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Run the script on one connection."""
        visit = Visit(reader, writer)
        async with self._arrived:
            self.visits.append(visit)
            self._arrived.notify_all()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.script(visit)
        visit.gone.set()
        writer.close()


@asynccontextmanager
async def scripted_upstream(script: Script, *, port: int = 0) -> AsyncGenerator[ScriptedUpstream]:
    """Serve `script` inside the block, at a free port unless one is given."""
    upstream = ScriptedUpstream(script)
    server = await asyncio.start_server(upstream.serve, upstream.host, port)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for visit in upstream.visits:
            visit.reset()
