"""A live relay for tests: the protocol in a real uvicorn server on loopback, and a raw client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from logits_shell.relay import (
    Forward,
    Outcome,
    PassiveObserver,
    Refusal,
    RelayOptions,
    RequestHead,
    Upstream,
    UpstreamPool,
    relay_protocol,
)
from logits_shell.serve import WaitingServer

DEADLINE = 10.0


class Recorder(PassiveObserver):
    """Notes how an attempt ended."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.ended = asyncio.Event()

    def on_end(self, outcome: Outcome) -> bytes | None:
        self.outcomes.append(outcome)
        self.ended.set()
        return None


@dataclass
class Pass:
    """A policy that relays everything below /relayed to one upstream, with knobs for the tests."""

    upstream: Upstream
    limit: int | None = None
    make: Callable[[RequestHead, bytes | None], Forward | Refusal] | None = None
    gate: asyncio.Event | None = None
    observer: Recorder = field(default_factory=Recorder)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def relays(self, method: str, path: str) -> bool:
        return path.startswith("/relayed")

    def wants_body(self, head: RequestHead) -> int | None:
        return self.limit

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        self.asked.set()
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if self.make is not None:
            return self.make(head, body)
        return Forward(self.upstream, head.target, observer=self.observer)


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that reads the body, except of /early, and says which path it served."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    more = scope["path"] != "/early"
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if message["type"] == "http.disconnect":
            return
    body = b"app:" + scope["path"].encode()
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Relay:
    """The live server."""

    host: str
    port: int
    server: WaitingServer
    pool: UpstreamPool

    async def connect(self) -> RawClient:
        return RawClient(*await asyncio.open_connection(self.host, self.port))

    async def exchange(self, request: bytes) -> bytes:
        """Send bytes and return everything until the server closes."""
        client = await self.connect()
        await client.send(request)
        answer = await client.rest()
        client.close()
        return answer


class RawClient:
    """A client that writes and reads raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(mark)

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        data = b""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65_536):
                    data += piece
        return data

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def live_relay(policy: Any, *, application_idle: int = 5, **options: Any) -> AsyncGenerator[Relay]:
    """Serve `policy` inside the block.

    Args:
        policy: Decides.
        application_idle: Seconds after which a connection that the application served is closed when it's idle.
        options: Those of RelayOptions.
    """
    pool = UpstreamPool()
    protocol = relay_protocol(policy, pool, options=RelayOptions(**options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            plain_app,
            http=protocol,
            log_config=None,
            access_log=False,
            loop="none",
            ws="none",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=application_idle,
        )
        server = WaitingServer(config)
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield Relay("127.0.0.1", listener.getsockname()[1], server, pool)
        finally:
            server.stop()
            async with asyncio.timeout(DEADLINE):
                await task
            pool.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
