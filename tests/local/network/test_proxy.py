"""The Service proxy spreads, copies and ends connections like a connection to the pod itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from logits_local.network.endpoints import Address
from logits_local.network.proxy import ServiceProxy
from ports import free_ports

pytestmark = pytest.mark.anyio
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def pod(handler: Handler) -> AsyncGenerator[Address]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


def not_refused(address: Address, failure: OSError) -> None:
    raise AssertionError(f"{address}: {failure}")


@asynccontextmanager
async def service(*targets: Address) -> AsyncGenerator[Address]:
    proxy = ServiceProxy(not_refused)
    address = ("127.0.0.1", free_ports())
    await proxy.update({address: targets})
    try:
        yield address
    finally:
        proxy.close()


def says(text: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)

    return handler


async def ask(address: Address, data: bytes = b"") -> bytes:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(data)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def test_an_answer_after_a_half_close_arrives_whole() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        await writer.drain()

    body = bytes(range(256)) * 20_000
    async with pod(echo) as target, service(target) as address:
        assert await ask(address, body) == body


async def test_connections_go_round() -> None:
    async with pod(says(b"a")) as one, pod(says(b"b")) as two, service(one, two) as address:
        answers = [await ask(address) for _ in range(4)]
    assert sorted(answers) == [b"a", b"a", b"b", b"b"]


async def test_a_target_that_refuses_is_passed_over() -> None:
    async with pod(says(b"a")) as well, service(("127.0.0.1", free_ports()), well) as address:
        assert [await ask(address) for _ in range(2)] == [b"a", b"a"]


async def test_without_targets_a_connection_is_reset() -> None:
    async with service() as address:
        with pytest.raises(ConnectionResetError):
            await ask(address, b"hello")


async def test_bytes_pass_as_they_come() -> None:
    more = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        await more.wait()
        writer.write(b"second")

    async with pod(stream) as target, service(target) as address, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readexactly(5) == b"first"
        more.set()
        assert await reader.read() == b"second"
        writer.close()


async def test_a_client_that_leaves_ends_the_connection_to_the_pod() -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()

    async with pod(wait) as target, service(target) as address, asyncio.timeout(10):
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"hello")
        writer.close()
        await left.wait()


async def test_a_pod_that_dies_in_the_middle_is_a_reset_not_an_end() -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"half")
        await writer.drain()
        import socket
        import struct

        connection: socket.socket = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with pod(die) as target, service(target) as address, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(100)
        writer.close()


async def test_a_removed_service_stops_to_listen() -> None:
    async with pod(says(b"a")) as target:
        proxy = ServiceProxy(not_refused)
        address = ("127.0.0.1", free_ports())
        await proxy.update({address: (target,)})
        assert await ask(address) == b"a"
        await proxy.update({})
        with pytest.raises(ConnectionError):
            await ask(address)


async def test_an_address_that_is_taken_is_reported_once() -> None:
    async with pod(says(b"a")) as taken:
        told: list[Address] = []
        proxy = ServiceProxy(lambda address, _: told.append(address))
        address = (taken[0], taken[1])
        await proxy.update({address: ()})
        await proxy.update({address: ()})
        assert told == [address]
        proxy.close()
