"""Strict framing: a table of raw bytes and the answers they deserve."""

from __future__ import annotations

import asyncio
import re

import pytest

from logits_shell.relay import Upstream
from shell.relay.conftest import Pass, live_relay
from simulators.scripted_upstream import Visit, scripted_upstream

pytestmark = pytest.mark.anyio

BAD: dict[str, tuple[bytes, int]] = {
    "length and chunks": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        400,
    ),
    "two lengths": (b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n", 400),
    "signed length": (b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: +3\r\n\r\nabc", 400),
    "coding that isn't chunked": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: gzip\r\n\r\n",
        400,
    ),
    "mutated coding": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "space before colon": (b"GET /relayed HTTP/1.1\r\nhost : e\r\n\r\n", 400),
    "folded line": (b"GET /relayed HTTP/1.1\r\nhost: e\r\nx: 1\r\n 2\r\n\r\n", 400),
    "bare line feed": (b"GET /relayed HTTP/1.1\nhost: e\n\n", 400),
    "nul in value": (b"GET /relayed HTTP/1.1\r\nhost: e\r\nx: a\x00b\r\n\r\n", 400),
    "bad chunk size": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        400,
    ),
    "chunks in HTTP/1.0": (b"POST /relayed HTTP/1.0\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "two hosts": (b"GET /relayed HTTP/1.1\r\nhost: e\r\nhost: f\r\n\r\n", 400),
    "no host": (b"GET /relayed HTTP/1.1\r\n\r\n", 400),
    "absolute target": (b"GET http://e/relayed HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "dot segments": (b"GET /relayed/../x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded dot segments": (b"GET /relayed/%2E%2e/x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded slash": (b"GET /relayed%2fx HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "backslash": (b"GET /relayed\\x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "connect": (b"CONNECT e:1 HTTP/1.1\r\nhost: e\r\n\r\n", 405),
    "unknown expectation": (b"GET /relayed HTTP/1.1\r\nhost: e\r\nexpect: magic\r\n\r\n", 417),
    "many fields": (b"GET /relayed HTTP/1.1\r\nhost: e\r\n" + b"x: 1\r\n" * 200 + b"\r\n", 431),
    "large head": (b"GET /relayed HTTP/1.1\r\nhost: e\r\nx: " + b"a" * 70_000, 431),
    "announced body too large": (b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 99\r\n\r\n", 413),
    "body too large": (
        b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n20\r\n" + b"x" * 32,
        413,
    ),
    "not HTTP": (b"\x16\x03\x01\x02\x00", 400),
}


@pytest.mark.parametrize("name", BAD)
async def test_ambiguous_requests_are_refused_and_the_connection_ends(name: str) -> None:
    raw, status = BAD[name]
    smuggled = b"GET /relayed/smuggled HTTP/1.1\r\nhost: e\r\n\r\n"

    async def never(visit: Visit) -> None:
        await visit.until_gone()

    async with scripted_upstream(never) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=16)) as relay:
            answer = await relay.exchange(raw + (b"" if name == "large head" else smuggled))
        assert upstream.visits == []
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close\r\n" in answer
    assert len(re.findall(rb"HTTP/1.1 \d", answer)) == 1


@pytest.mark.parametrize("limit", [None, 1000])
async def test_a_body_that_turns_bad_is_refused_and_aborts_the_upstream(limit: int | None) -> None:
    async def never(visit: Visit) -> None:
        await visit.head()
        await visit.until_gone()

    async with scripted_upstream(never) as upstream:
        policy = Pass(Upstream(upstream.host, upstream.port), limit=limit)
        async with live_relay(policy) as relay:
            client = await relay.connect()
            await client.send(b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            if limit is None:
                await upstream.visit(0)
            await client.send(b"what\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 400")
            client.close()


@pytest.mark.parametrize("part", [b"", b"GET /relayed HTTP/1.1\r\nhos"])
async def test_a_head_that_never_ends_is_not_waited_for(part: bytes) -> None:
    async with live_relay(Pass(Upstream("127.0.0.1", 1)), head_seconds=0.05) as relay:
        answer = await relay.exchange(part)
    assert answer.startswith(b"HTTP/1.1 408") if part else answer == b""


async def test_a_body_that_never_ends_is_not_waited_for() -> None:
    async with live_relay(Pass(Upstream("127.0.0.1", 1), limit=10), body_seconds=0.05) as relay:
        answer = await relay.exchange(b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 9\r\n\r\nhal")
    assert answer.startswith(b"HTTP/1.1 408")


async def test_more_connections_than_allowed_are_refused() -> None:
    async with live_relay(Pass(Upstream("127.0.0.1", 1)), connections=1) as relay:
        first = await relay.connect()
        await first.send(b"GET /other HTTP/1.1\r\nhost: e\r\n\r\n")
        await first.until(b"app:/other")
        second = await relay.connect()
        assert (await second.rest()).startswith(b"HTTP/1.1 503")
        first.close()
        second.close()


async def test_the_good_request_before_bad_bytes_is_still_answered() -> None:
    async def hello(visit: Visit) -> None:
        await visit.request()
        await asyncio.sleep(0)
        await visit.answer(b"hello")

    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            answer = await relay.exchange(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n\x01\x02 nonsense\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"hello")
