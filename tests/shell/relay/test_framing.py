"""Strict framing: the table at the relay's own door, and what passes because it can be read in one way only."""

from __future__ import annotations

import asyncio

import pytest

from framing_table import faults
from logits_shell.relay import Upstream
from shell.relay.conftest import Pass, live_relay
from simulators.scripted_upstream import Visit, scripted_upstream

pytestmark = pytest.mark.anyio


async def never(visit: Visit) -> None:
    await visit.until_gone()


async def hello(visit: Visit) -> None:
    while True:
        await visit.request()
        await visit.answer(b"hello")


@pytest.mark.parametrize("limit", [None, 1_000_000])
@pytest.mark.parametrize("path", [b"/relayed/x", b"/other"])
async def test_every_row_is_refused_at_the_relay(path: bytes, limit: int | None) -> None:
    async with scripted_upstream(never) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=limit)) as relay:
            assert await faults(relay.host, relay.port, path) == {}
        assert not any(b"following" in head for visit in upstream.visits for head in visit.requests)


ACCEPTED: dict[str, tuple[bytes, bytes]] = {
    "length in capitals": (b"POST /relayed HTTP/1.1\r\nHOST: e\r\nCONTENT-LENGTH: 3\r\n\r\nabc", b"abc"),
    "no space after the colon": (b"POST /relayed HTTP/1.1\r\nhost:e\r\ncontent-length:3\r\n\r\nabc", b"abc"),
    "spaces around the value": (b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: \t 3 \t\r\n\r\nabc", b"abc"),
    "chunked in capitals": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"abc",
    ),
    "leading zeros, extensions, trailers": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n"
        b'0002;a=b;c="d"\r\nab\r\n1;x\r\nc\r\n000\r\nt: 1\r\nhost: evil\r\n\r\n',
        b"abc",
    ),
    "empty lines before the first line": (
        b"\r\n\r\nPOST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 0\r\n\r\n",
        b"",
    ),
    "two spaces, which the rebuilt head hasn't": (b"GET  /relayed HTTP/1.1\r\nhost: e\r\n\r\n", b""),
    "no body": (b"DELETE /relayed HTTP/1.1\r\nhost: e\r\n\r\n", b""),
    "empty host": (b"GET /relayed HTTP/1.1\r\nhost:\r\n\r\n", b""),
    "host with a port": (b"GET /relayed HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", b""),
}


@pytest.mark.parametrize("limit", [None, 1000])
@pytest.mark.parametrize("name", ACCEPTED)
async def test_what_is_valid_passes_and_the_connection_stays_in_step(name: str, limit: int | None) -> None:
    raw, body = ACCEPTED[name]
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=limit)) as relay:
            client = await relay.connect()
            await client.send(raw + b"GET /relayed/next HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n")
            answer = await client.rest()
            client.close()
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2, answer
        heads = [head for visit in upstream.visits for head in visit.requests]
        bodies = [body for visit in upstream.visits for body in visit.bodies]
    assert bodies == [body, b""]
    assert heads[1].startswith(b"GET /relayed/next HTTP/1.1\r\n")
    assert b"evil" not in heads[0]


RESPONSES: dict[str, bytes] = {
    "length and chunks": b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
    "the same length twice": b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "coding before chunked": b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "coding that isn't chunked": b"transfer-encoding: gzip\r\n\r\nabc",
    "signed length": b"content-length: +3\r\n\r\nabc",
    "folded line": b"x: 1\r\n 2\r\ncontent-length: 3\r\n\r\nabc",
    "space before colon": b"content-length : 3\r\n\r\nabc",
    "NUL in a value": b"x: a\x00b\r\ncontent-length: 3\r\n\r\nabc",
    "endless head": b"x: " + b"a" * 100_000,
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_answers_that_can_be_read_in_two_ways_are_a_502(name: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n" + RESPONSES[name])
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            client = await relay.connect()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
            client.close()
        async with asyncio.timeout(10):
            await (await upstream.visit(0)).gone.wait()


async def test_bytes_behind_an_answer_never_become_the_next_answer() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"first" if len(upstream.visits) == 1 else b"second")
        if len(upstream.visits) == 1:
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
            await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            client = await relay.connect()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            await client.until(b"first")
            async with asyncio.timeout(10):
                await upstream.visits[0].gone.wait()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            assert (await client.until(b"second")).endswith(b"second")
            client.close()
