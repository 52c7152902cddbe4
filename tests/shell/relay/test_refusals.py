"""Refusals: bodies and heads that are too large, too slow or turn bad, and too many connections."""

from __future__ import annotations

import asyncio
import re

import pytest

from logits_shell.relay import Upstream
from shell.relay.conftest import DEADLINE, Pass, RawClient, live_relay
from simulators.scripted_upstream import Visit, scripted_upstream

pytestmark = pytest.mark.anyio

TOO_LARGE: dict[str, bytes] = {
    "announced body too large": b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 99\r\n\r\n",
    "body too large": b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n20\r\n" + b"x" * 32,
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_bodies_beyond_the_limit_are_refused_and_the_connection_ends(name: str) -> None:
    smuggled = b"GET /relayed/smuggled HTTP/1.1\r\nhost: e\r\n\r\n"

    async def never(visit: Visit) -> None:
        await visit.until_gone()

    async with scripted_upstream(never) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=16)) as relay:
            answer = await relay.exchange(TOO_LARGE[name] + smuggled)
        assert upstream.visits == []
    assert answer.startswith(b"HTTP/1.1 413 "), answer
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


async def test_an_answer_before_the_bodys_end_says_that_it_costs_the_connection() -> None:
    async def early(visit: Visit) -> None:
        await visit.head()
        await visit.answer(b"no", status="413 Content Too Large")

    async with scripted_upstream(early) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            answer = await relay.exchange(b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 9\r\n\r\nhal")
    assert answer == b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"


async def test_an_application_that_answers_before_the_bodys_end_keeps_its_connection() -> None:
    # Its connection stays open, and stays in step: the rest of the body is read and thrown away.
    async with live_relay(Pass(Upstream("127.0.0.1", 1)), body_seconds=5.0) as relay:
        client = await relay.connect()
        await client.send(b"POST /early HTTP/1.1\r\nhost: e\r\ncontent-length: 9\r\n\r\nhal")
        assert b"connection: close" not in await client.until(b"app:/early")
        await client.send(b"f done")
        await client.send(b"GET /other HTTP/1.1\r\nhost: e\r\n\r\n")
        await client.until(b"app:/other")
        client.close()


async def test_what_comes_after_an_early_answer_is_read_for_a_while_and_no_longer() -> None:
    async def early(visit: Visit) -> None:
        await visit.head()
        await visit.answer(b"no", status="413 Request Entity Too Large")

    async with scripted_upstream(early) as upstream:
        policy = Pass(Upstream(upstream.host, upstream.port))
        # A silence alone would be waited for all day; what is sent can't go on for ever all the same.
        async with live_relay(policy, linger_seconds=86_400.0, linger_longest_seconds=0.2) as relay:
            client = await relay.connect()
            await client.send(b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 999999999\r\n\r\n")
            assert (await client.until(b"no")).startswith(b"HTTP/1.1 413")
            with pytest.raises(ConnectionError):
                await send_on(client)
            client.close()


async def send_on(client: RawClient) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            await client.send(b"x" * 1000)
            await asyncio.sleep(0)
