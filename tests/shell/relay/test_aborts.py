"""Leaving and failing: whoever goes away first, the other side and every reservation are released."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from logits_shell.relay import (
    Failure,
    FailureKind,
    Forward,
    KeepAlive,
    Outcome,
    OutcomeKind,
    Refusal,
    RequestHead,
    Upstream,
)
from shell.relay.conftest import DEADLINE, Pass, Recorder, live_relay
from simulators.scripted_upstream import ScriptedUpstream, Visit, scripted_upstream

pytestmark = pytest.mark.anyio
GET = b"GET /relayed HTTP/1.1\r\nhost: e\r\n\r\n"


def open_sockets() -> int:
    return sum(link.is_socket() for link in Path("/proc/self/fd").iterdir())


def to(upstream: ScriptedUpstream) -> Upstream:
    return Upstream(upstream.host, upstream.port)


@pytest.mark.parametrize("leave", ["fin", "rst"])
@pytest.mark.parametrize("phase", ["body", "decide", "prefill", "decode"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_releases_everything(phase: str, leave: str, stream: bool) -> None:
    async def script(visit: Visit) -> None:
        await visit.head()
        if phase == "decode" and stream:
            await visit.events()
            await visit.chunk(b"data: 1\n\n")
        elif phase == "decode":
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: 1\n\n")
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        policy = Pass(to(upstream), gate=asyncio.Event() if phase == "decide" else None)
        async with live_relay(policy) as relay:
            client = await relay.connect()
            if phase == "body":
                await client.send(b"POST /relayed HTTP/1.1\r\nhost: e\r\ncontent-length: 9\r\n\r\nhalf")
            else:
                await client.send(GET)
            async with asyncio.timeout(DEADLINE):
                await policy.asked.wait()
            visit = None if phase == "decide" else await upstream.visit(0)
            if phase == "decode":
                await client.until(b"data: 1\n\n")
            if leave == "fin":
                client.close()
            else:
                client.reset()
            async with asyncio.timeout(DEADLINE):
                if visit is None:
                    await policy.cancelled.wait()
                else:
                    await visit.gone.wait()
                    await policy.observer.ended.wait()
                    assert [o.kind for o in policy.observer.outcomes] == [OutcomeKind.CLIENT_GONE]
        assert relay.pool.open_connections == 0


async def test_hundreds_of_aborts_leave_nothing_behind() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        policy = Pass(to(upstream))
        async with live_relay(policy) as relay:
            tasks = sockets = 0
            for number in range(300):
                client = await relay.connect()
                await client.send(GET)
                visit = await upstream.visit(number)
                client.reset()
                async with asyncio.timeout(DEADLINE):
                    await visit.gone.wait()
                if number == 10:
                    # By now everything that lasts has begun.
                    tasks, sockets = len(asyncio.all_tasks()), open_sockets()
            assert len(policy.observer.outcomes) == 300
            assert relay.pool.open_connections == 0
            assert not relay.server.server_state.tasks
            async with asyncio.timeout(DEADLINE):
                while len(asyncio.all_tasks()) > tasks or open_sockets() > sockets:
                    await asyncio.sleep(0)


async def test_a_stale_pooled_connection_is_replaced_unseen() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"first" if len(upstream.visits) == 1 else b"second")
        if len(upstream.visits) == 1:
            await visit.request()
            visit.reset()

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(to(upstream))) as relay:
            client = await relay.connect()
            await client.send(GET)
            await client.until(b"first")
            await client.send(GET)
            assert (await client.until(b"second")).startswith(b"HTTP/1.1 200")
            client.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"garbage\r\n\r\n", b"HTTP/1.1 101 Up\r\n\r\n"])
async def test_a_failure_before_the_first_byte_is_a_502(answer: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer)

    async with scripted_upstream(script) as upstream:
        policy = Pass(to(upstream))
        async with live_relay(policy) as relay:
            client = await relay.connect()
            await client.send(GET)
            head = await client.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502")
            assert b"application/problem+json" in head
            client.close()
        assert [outcome.kind for outcome in policy.observer.outcomes] == [OutcomeKind.UPSTREAM_FAILED]


async def test_nobody_listening_is_a_502_with_a_time_to_retry() -> None:
    async with live_relay(Pass(Upstream("127.0.0.1", 1))) as relay:
        client = await relay.connect()
        await client.send(GET)
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502")
        assert b"retry-after: 2\r\n" in head
        client.close()


async def test_a_truncated_answer_is_seen_as_truncated() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        visit.close()

    async with scripted_upstream(script) as upstream, live_relay(Pass(to(upstream))) as relay:
        answer = await relay.exchange(GET)
    assert answer.endswith(b"3\r\nabc\r\n"), "no end of chunks may be invented"


async def test_the_first_byte_deadline_is_a_504() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(to(upstream)), first_byte_seconds=0.05) as relay:
            client = await relay.connect()
            await client.send(GET)
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 504")
            client.close()
        assert (await upstream.visit(0)).gone.is_set()


class Second(Recorder):
    """Sends the request to another upstream after a failure, or closes a stream in-band."""

    def __init__(self, other: Upstream) -> None:
        super().__init__()
        self.other = other
        self.failures: list[Failure] = []

    def on_failure(self, failure: Failure, started: bool) -> Forward | Refusal | bytes | None:
        self.failures.append(failure)
        return b"data: sorry\n\n" if started else Forward(self.other, "/again", observer=self)


async def test_another_upstream_may_answer_before_the_first_byte() -> None:
    async def good(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"rescued")

    async with scripted_upstream(good) as upstream:
        observer = Second(to(upstream))

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(Upstream("127.0.0.1", 1), "/", observer=observer)

        async with live_relay(Pass(to(upstream), make=make)) as relay:
            client = await relay.connect()
            await client.send(GET)
            await client.until(b"rescued")
            client.close()
    kinds = [outcome.kind for outcome in observer.outcomes]
    assert kinds == [OutcomeKind.UPSTREAM_FAILED, OutcomeKind.COMPLETE]
    assert observer.failures[0].kind is FailureKind.CONNECT


async def test_endless_retries_end() -> None:
    observer = Second(Upstream("127.0.0.1", 1))

    def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
        return Forward(Upstream("127.0.0.1", 1), "/", observer=observer)

    async with live_relay(Pass(Upstream("127.0.0.1", 1), make=make), attempts=3) as relay:
        client = await relay.connect()
        await client.send(GET)
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 502")
        client.close()
    assert len(observer.outcomes) == 4, "every Forward is released, also the one that wasn't tried"


async def test_a_stream_that_breaks_is_ended_in_band() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b"data: 1\n\n")
        visit.reset()

    async with scripted_upstream(script) as upstream:
        observer = Second(Upstream("127.0.0.1", 1))

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(to(upstream), "/", observer=observer)

        async with live_relay(Pass(to(upstream), make=make)) as relay:
            client = await relay.connect()
            await client.send(GET)
            answer = await client.until(b"0\r\n\r\n")
            assert answer.endswith(b"data: sorry\n\n\r\n0\r\n\r\n")
            client.close()


class Patient(Pass):
    """Shows life while a decision takes its time."""

    def keep_alive(self, head: RequestHead, body: bytes | None) -> KeepAlive | None:
        return KeepAlive(closing=lambda refusal: b"data: " + refusal.body + b"\n\n")


async def test_a_waiting_stream_gets_signs_of_life_and_then_its_events() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b"data: 1\n\n")
        await visit.chunk(b"")

    async with scripted_upstream(script) as upstream:
        policy = Patient(to(upstream), gate=asyncio.Event())
        assert policy.gate is not None
        async with live_relay(policy, sign_of_life_seconds=0.02) as relay:
            client = await relay.connect()
            await client.send(GET)
            head = await client.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"text/event-stream" in head
            await client.until(b": keep-alive\n\n\r\n")
            await client.until(b": keep-alive\n\n\r\n")
            policy.gate.set()
            assert (await client.until(b"0\r\n\r\n")).endswith(b"data: 1\n\n\r\n0\r\n\r\n")
            client.close()


async def test_a_refusal_after_a_sign_of_life_comes_in_band() -> None:
    policy = Patient(Upstream("127.0.0.1", 1), gate=asyncio.Event(), make=lambda head, body: Refusal(503, b"full"))
    assert policy.gate is not None
    async with live_relay(policy, sign_of_life_seconds=0.02) as relay:
        client = await relay.connect()
        await client.send(GET)
        await client.until(b": keep-alive\n\n\r\n")
        policy.gate.set()
        assert (await client.until(b"0\r\n\r\n")).endswith(b"data: full\n\n\r\n0\r\n\r\n")
        client.close()


async def test_draining_finishes_what_is_in_flight() -> None:
    release = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await release.wait()
        await visit.answer(b"done")

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(to(upstream))) as relay:
            client = await relay.connect()
            await client.send(GET)
            await upstream.visit(0)
            relay.server.stop()
            for connection in list(relay.server.server_state.connections):
                connection.shutdown()
            release.set()
            answer = await client.rest()
            client.close()
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"done")


async def test_a_stream_that_outlives_the_drain_is_ended_in_band() -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b"data: 1\n\n")
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        observer = Second(Upstream("127.0.0.1", 1))

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(to(upstream), "/", observer=observer)

        async with live_relay(Pass(to(upstream), make=make)) as relay:
            client = await relay.connect()
            await client.send(GET)
            await client.until(b"data: 1\n\n\r\n")
            relay.server.stop()
            assert (await client.rest()) == b"d\r\ndata: sorry\n\n\r\n0\r\n\r\n"
            client.close()
    assert observer.failures[0].kind is FailureKind.DRAINED


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x\n", b"a")])
async def test_fields_that_would_break_the_framing_are_a_bug_answered_500(field: tuple[bytes, bytes]) -> None:
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))

    async def script(visit: Visit) -> None:
        await visit.until_gone()

    async with scripted_upstream(script) as upstream:
        observer = Recorder()

        def make(head: RequestHead, body: bytes | None) -> Forward | Refusal:
            return Forward(to(upstream), "/", headers=(field,), observer=observer)

        async with live_relay(Pass(to(upstream), make=make)) as relay:
            client = await relay.connect()
            await client.send(GET)
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 500")
            client.close()
    assert len(observer.outcomes) == 1
    assert len(problems) == 1


def test_an_outcome_says_what_happened() -> None:
    assert Outcome(OutcomeKind.COMPLETE, 200).failure is None


async def test_a_client_that_never_reads_the_end_does_not_keep_its_connection() -> None:
    body = b"x" * 4_000_000

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(body)

    async with scripted_upstream(script) as upstream:
        policy = Pass(to(upstream))
        async with live_relay(policy, write_seconds=0.2) as relay:
            client = await relay.connect()
            await client.send(b"GET /relayed HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n")
            await client.until(b"\r\n\r\n")
            async with asyncio.timeout(DEADLINE):
                while relay.server.server_state.connections:
                    await asyncio.sleep(0.01)
            client.reset()


@pytest.mark.parametrize("announced", [1, 3])
async def test_an_upstreams_own_keep_alive_time_is_kept(announced: int) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b"hello", fields=f"keep-alive: timeout={announced}, max=9\r\n")
        await visit.request()
        await visit.answer(b"again")

    async with scripted_upstream(script) as upstream:
        async with live_relay(Pass(to(upstream))) as relay:
            client = await relay.connect()
            await client.send(GET)
            head = await client.until(b"hello")
            assert b"keep-alive" not in head
            await client.send(GET)
            await client.until(b"hello" if announced == 1 else b"again")
            client.close()
        assert len(upstream.visits) == (2 if announced == 1 else 1)
