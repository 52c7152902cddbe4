"""The way to the API server: nothing of the caller's goes along, and odd answers are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.api_server import MAX_ANSWER_BYTES, ApiServer, UpstreamRequest, began
from logits_gateway.adapters.upstream_exchange import Exchange
from logits_shell.kubernetes import ClusterAccess, StaticToken

pytestmark = pytest.mark.anyio
REQUEST = UpstreamRequest("GET", "/api/v1/nodes?limit=1", "application/json", "audit-1")
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(answer: bytes) -> AsyncGenerator[tuple[ApiServer, list[bytes]], None]:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server = ApiServer(ClusterAccess(f"http://127.0.0.1:{port}", StaticToken("own")), max_watches=1)
    try:
        yield server, heads
    finally:
        await server.aclose()
        listening.close()
        await listening.wait_closed()


async def ask(server: ApiServer, *, watch: bool = False) -> tuple[int, bytes]:
    if not watch:
        return await server.ask(REQUEST)
    heard: list[tuple[int, bytes]] = []

    async def relay(exchange: Exchange) -> None:
        heard.append((await began(exchange), await exchange.whole(MAX_ANSWER_BYTES)))

    await server.watch(REQUEST, relay)
    return heard[0]


async def test_the_request_is_built_from_scratch() -> None:
    good = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    async with scripted(good) as (server, heads):
        assert await ask(server) == (200, b"{}")
    lines = heads[0].decode().lower().split("\r\n")
    assert lines[0] == "get /api/v1/nodes?limit=1 http/1.1"
    sent = {line.partition(":")[0] for line in lines[1:] if line}
    assert sent == {
        "host",
        "authorization",
        "accept",
        "accept-encoding",
        "audit-id",
        "user-agent",
    }
    assert "audit-id: audit-1" in lines
    assert "authorization: bearer own" in lines


async def test_key_documents_are_json_too() -> None:
    keys = b"HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json\r\ncontent-length: 2\r\n\r\n{}"
    async with scripted(keys) as (server, _):
        assert await ask(server) == (200, b"{}")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "upstream_failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi", "upstream_failed"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{}", "unavailable"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
            "unavailable",
        ),
        (b"nonsense\r\n\r\n", "unavailable"),
        (b"", "unavailable"),
    ],
)
async def test_odd_answers_are_dropped(answer: bytes, code: str) -> None:
    async with scripted(answer) as (server, _):
        with pytest.raises(LogitsError) as caught:
            await ask(server)
        assert caught.value.code == code


async def test_answers_are_bounded() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    async with scripted(head + b" " * ((32 << 20) + 1)) as (server, _):
        with pytest.raises(LogitsError) as caught:
            await ask(server)
        assert caught.value.code is ErrorCode.UPSTREAM_FAILED


async def test_an_absent_server_is_unavailable() -> None:
    server = ApiServer(ClusterAccess("http://127.0.0.1:1", StaticToken("own")), max_watches=1)
    with pytest.raises(LogitsError) as caught:
        await ask(server)
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.UNAVAILABLE, 1)
    await server.aclose()


async def test_a_renewed_token_is_used_a_second_later() -> None:
    class Renewed:
        held = "first"

        def token(self) -> str:
            return self.held

    credentials, now = Renewed(), [100.0]
    server = ApiServer(ClusterAccess("http://127.0.0.1:1", credentials), max_watches=1, clock=lambda: now[0])
    assert server.own_token() == "first"
    credentials.held = "second"
    now[0] += 0.9
    assert server.own_token() == "first"
    now[0] += 0.2
    assert server.own_token() == "second"
    await server.aclose()


async def test_a_watch_that_was_stopped_says_no_more_and_drops_its_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while await reader.read(1024):
            pass
        left.set()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server = ApiServer(ClusterAccess(f"http://127.0.0.1:{port}", StaticToken("own")), max_watches=1)
    heard: list[bytes] = []

    async def relay(exchange: Exchange) -> None:
        assert await began(exchange) == 200
        heard.append(await exchange.read())
        asyncio.get_running_loop().call_soon(exchange.stop)
        heard.append(await exchange.read())

    await server.watch(REQUEST, relay)
    assert heard == [b"{}", b""]
    async with asyncio.timeout(5):
        await left.wait()
    await server.aclose()
    listening.close()
    await listening.wait_closed()
