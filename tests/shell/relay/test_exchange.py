"""The relay from outside: bytes through real sockets, both directions, every kind of body."""

from __future__ import annotations

import asyncio

import pytest

from logits_shell.relay import (
    Failure,
    Forward,
    Later,
    OutcomeKind,
    PassiveObserver,
    Refusal,
    RequestHead,
    Upstream,
)
from shell.relay.conftest import DEADLINE, Pass, live_relay
from simulators.scripted_upstream import Visit, scripted_upstream

pytestmark = pytest.mark.anyio
GET = b"GET /relayed/x?q=1 HTTP/1.1\r\nhost: example\r\nconnection: close\r\n\r\n"


async def hello(visit: Visit) -> None:
    while True:
        await visit.request()
        await visit.answer(b"hello")


async def test_a_request_is_rebuilt_and_its_answer_passes() -> None:
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            answer = await relay.exchange(
                b"GET /relayed/x?q=1 HTTP/1.1\r\nHost: example\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
                b"X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nTE: trailers\r\nAccept: a/b\r\n\r\n"
            )
        head = upstream.visits[0].requests[0]
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
    assert head.split(b"\r\n")[0] == b"GET /relayed/x?q=1 HTTP/1.1"
    assert b"accept: a/b\r\n" in head
    assert b"x-forwarded-for: 127.0.0.1\r\n" in head
    assert b'forwarded: for=127.0.0.1;host="example";proto=http\r\n' in head
    for dropped in (b"x-hop", b"6.6.6.6", b"te:", b"connection"):
        assert dropped not in head


async def test_other_paths_are_served_by_the_application_on_the_same_connection() -> None:
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            client = await relay.connect()
            for _ in range(2):
                await client.send(b"GET /other HTTP/1.1\r\nhost: e\r\n\r\n")
                assert (await client.until(b"app:/other")).startswith(b"HTTP/1.1 200")
                await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
                assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200")
            client.close()
        assert len(upstream.visits) == 1, "the upstream connection is reused"


@pytest.mark.parametrize("limit", [None, 1_000_000])
@pytest.mark.parametrize("chunked", [True, False])
async def test_request_bodies_arrive_byte_exact(limit: int | None, chunked: bool) -> None:
    body = bytes(range(256)) * 1200
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=limit)) as relay:
            client = await relay.connect()
            if chunked:
                await client.send(b"POST /relayed HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n")
                for start in range(0, len(body), 50_000):
                    part = body[start : start + 50_000]
                    await client.send(b"%x\r\n%b\r\n" % (len(part), part))
                await client.send(b"0\r\nx-trailer: 1\r\n\r\n")
            else:
                head = b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: %d\r\n\r\n" % len(body)
                await client.send(head + body)
            await client.until(b"hello")
            client.close()
        assert upstream.visits[0].bodies == [body]


@pytest.mark.parametrize("limit", [None, 1000])
async def test_messages_cut_at_every_byte_are_the_same_messages(limit: int | None) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n"
        for byte in raw:
            await visit.send(bytes([byte]))
            await asyncio.sleep(0)

    request = b"POST /relayed?q HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"
    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=limit)) as relay:
            client = await relay.connect()
            for byte in request:
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            answer = await client.until(b"0\r\n\r\n")
            client.close()
        assert upstream.visits[0].bodies == [b"hi!"]
    chunks = answer.split(b"\r\n\r\n", 1)[1].split(b"\r\n")
    assert b"".join(chunks[1::2]) == b"abcde"


async def test_expect_continue_is_answered_here() -> None:
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port), limit=100)) as relay:
            client = await relay.connect()
            await client.send(b"POST /relayed HTTP/1.1\r\nhost: e\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"ok")
            await client.until(b"hello")
            client.close()
        assert b"expect" not in upstream.visits[0].requests[0]


async def test_event_chunks_pass_at_once_and_exact() -> None:
    step = asyncio.Semaphore(0)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        for number in range(3):
            async with asyncio.timeout(DEADLINE):
                await step.acquire()
            await visit.chunk(b"data: %d\n\n" % number)
        await visit.chunk(b"")
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        policy = Pass(Upstream(upstream.host, upstream.port))
        async with live_relay(policy) as relay:
            client = await relay.connect()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            head = await client.until(b"\r\n\r\n")
            assert b"content-type: text/event-stream\r\n" in head
            assert b"transfer-encoding: chunked\r\n" in head
            for number in range(3):
                step.release()
                assert await client.until(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number
            assert await client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
            assert [outcome.kind for outcome in policy.observer.outcomes] == [OutcomeKind.COMPLETE]
            client.close()


async def test_head_and_bodiless_answers_leave_the_connection_in_step() -> None:
    async def script(visit: Visit) -> None:
        while True:
            head = await visit.request()
            if head.startswith(b"HEAD"):
                await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
            elif b"/relayed/304" in head:
                await visit.send(b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n')
            else:
                await visit.send(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            client = await relay.connect()
            await client.send(b"HEAD /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"
            await client.send(b"GET /relayed/304 HTTP/1.1\r\nhost: e\r\n\r\n")
            assert await client.until(b"\r\n\r\n") == b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n'
            await client.send(b"GET /relayed/204 HTTP/1.1\r\nhost: e\r\n\r\n")
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"
            client.close()


async def test_a_body_that_ends_with_the_connection_is_relayed_whole() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            answer = await relay.exchange(GET)
            old = await relay.exchange(b"GET /relayed HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"d\r\nuntil the end\r\n0\r\n\r\n")
    assert old.endswith(b"connection: close\r\n\r\nuntil the end")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def script(visit: Visit) -> None:
        while True:
            head = await visit.request()
            await visit.answer(head.split(b" ")[1])

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            requests = b"".join(
                b"POST /relayed/%d HTTP/1.1\r\nhost: e\r\ncontent-length: 1\r\n\r\nx" % n for n in range(5)
            )
            client = await relay.connect()
            await client.send(requests)
            for n in range(5):
                assert (await client.until(b"/relayed/%d" % n)).count(b"HTTP/1.1 200") == 1
            client.close()


async def test_a_pipelined_change_of_kind_ends_the_connection_in_step() -> None:
    async with scripted_upstream(hello) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            answer = await relay.exchange(
                b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\nGET /other HTTP/1.1\r\nhost: e\r\n\r\n"
            )
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"


async def test_a_refusal_replaces_the_upstream() -> None:
    def refuse(head: RequestHead, body: bytes | None) -> Forward | Refusal:
        return Refusal(418, b"no", ((b"content-type", b"text/plain"),))

    async with live_relay(Pass(Upstream("127.0.0.1", 1), make=refuse)) as relay:
        answer = await relay.exchange(GET)
    assert answer.startswith(b"HTTP/1.1 418")
    assert answer.endswith(b"\r\n\r\nno")


async def test_an_error_of_the_upstream_can_be_rewritten() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"raw", status="500 Oh")

    async with scripted_upstream(script) as upstream:

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(
                Upstream(upstream.host, upstream.port),
                "/renamed",
                rewrite_error=lambda status, _, body: Refusal(status + 2, b"<" + body + b">"),
            )

        async with live_relay(Pass(Upstream("127.0.0.1", 1), make=make)) as relay:
            answer = await relay.exchange(GET)
        assert upstream.visits[0].requests[0].startswith(b"GET /renamed ")
    assert answer.startswith(b"HTTP/1.1 502")
    assert answer.endswith(b"<raw>")


async def test_a_decision_after_a_failure_may_take_its_time() -> None:
    found = asyncio.Event()

    async def dead(visit: Visit) -> None:
        await visit.request()
        found.set()
        visit.reset()

    async def alive(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"second")

    async with scripted_upstream(dead) as first, scripted_upstream(alive) as second:

        class Patient(PassiveObserver):
            def on_failure(self, failure: Failure, started: bool) -> Forward | Refusal | Later | bytes | None:
                return Later(elsewhere)

        async def elsewhere() -> Forward | Refusal:
            await found.wait()
            return Forward(Upstream(second.host, second.port), "/again")

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(Upstream(first.host, first.port), head.target, observer=Patient())

        async with live_relay(Pass(Upstream("127.0.0.1", 1), make=make)) as relay:
            answer = await relay.exchange(GET)
    assert answer.endswith(b"\r\n\r\nsecond")


async def test_a_slow_reader_holds_the_upstream_back_and_loses_nothing() -> None:
    piece = b"x" * 65_536
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (400 * len(piece)))
        for _ in range(400):
            await visit.send(piece)
            sent += len(piece)

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(Upstream(upstream.host, upstream.port))) as relay:
            client = await relay.connect()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n")
            await client.until(b"\r\n\r\n")
            before = -1
            while before != sent:
                before = sent
                for _ in range(200):
                    await asyncio.sleep(0)
            assert sent < 390 * len(piece), "the upstream must feel that nobody reads"
            assert await client.exactly(400 * len(piece)) == piece * 400
            client.close()
