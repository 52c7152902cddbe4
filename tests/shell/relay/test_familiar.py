"""Heads that came before: whatever the relay remembers of them, the bytes on both sides are the same."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from logits_shell.relay import Forward, Refusal, RequestHead, Upstream
from shell.relay.conftest import Pass, live_relay
from simulators.memory_relay import MemoryPool, MemoryRelay
from simulators.scripted_upstream import Visit, scripted_upstream

pytestmark = pytest.mark.anyio

HEAD = b"POST /relayed HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer a\r\nContent-Length: %d\r\n\r\n"
GET = b"GET /relayed HTTP/1.1\r\nHost: e\r\n\r\n"
TWO_LENGTHS = b"POST /relayed HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nContent-Length: %d\r\n\r\n"
SPACED = b"POST /relayed HTTP/1.1\r\nHost: e\r\nContent-Length:  %d\r\n\r\n"
CHUNKED = b"POST /relayed HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def post(body: bytes, head: bytes = HEAD) -> bytes:
    return head % len(body) + body


SEQUENCES = {
    "other lengths": [post(b"hello"), post(b"x" * 300), post(b""), post(b"hello")],
    "without a body": [GET, GET, post(b"hello"), GET],
    "a padded length": [post(b"hello", SPACED), post(b"hi", SPACED), post(b"hello", SPACED)],
    "chunks between": [post(b"hello"), CHUNKED, post(b"hello"), CHUNKED],
    "two lengths": [post(b"hello"), post(b"hello"), post(b"hello!", TWO_LENGTHS)],
    "an empty line before": [post(b"hello"), b"\r\n" + post(b"hello"), b"\r\n\r\n" + post(b"hello"), post(b"hi")],
    "an empty line alone": [b"\r\n\r\n" + GET, b"\r\n\r\n" + CHUNKED, GET],
    "a last request": [post(b"hello"), post(b"hello", HEAD.replace(b"Host", b"Connection: close\r\nHost")), GET],
    "a length too large": [post(b"hello"), HEAD % 2_000_000 + b"x", GET],
    "a length of many digits": [post(b"hello"), HEAD.replace(b"%d", b"0" * 9 + b"%d") % 5 + b"hello"],
    "a negative length": [post(b"hello"), HEAD % -5 + b"hello"],
    "other paths": [post(b"hello"), post(b"hello", HEAD.replace(b"/relayed", b"/relayed/2")), post(b"hello")],
}
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Some: 1\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nServer: s\r\nContent-Length: %d\r\n\r\n",
]


@dataclass
class Passing:
    """Relays everything below /relayed, and keeps what it was asked."""

    limit: int | None
    asked: list[tuple[str, bytes | None]] = field(default_factory=list[tuple[str, "bytes | None"]])

    def relays(self, method: str, path: str) -> bool:
        return path.startswith("/relayed")

    def wants_body(self, head: RequestHead) -> int | None:
        return self.limit

    def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        self.asked.append((head.target, body))
        return Forward(Upstream("upstream", 1), head.target)


def whole(requests: list[bytes]) -> Iterator[bytes]:
    yield from requests


def joined(requests: list[bytes]) -> Iterator[bytes]:
    for start in range(0, len(requests), 2):
        yield b"".join(requests[start : start + 2])


def apart(requests: list[bytes]) -> Iterator[bytes]:
    for request in requests:
        head, gap, body = request.partition(b"\r\n\r\n")
        yield head + gap
        yield from (piece for piece in (body[:3], body[3:]) if piece)


def shifted(requests: list[bytes]) -> Iterator[bytes]:
    """The beginning of the next request with the end of the one before."""
    data = b"".join(requests)
    cuts = [0, *itertools.accumulate(map(len, requests))]
    ends = [min(len(data), cut + 2) for cut in cuts[1:]]
    for start, end in itertools.pairwise([0, *ends]):
        yield data[start:end]


def marked(requests: list[bytes]) -> list[bytes]:
    """The same requests, each with a field of its own, so that no head is known."""
    return [each.replace(b"Host: e", b"Host: e\r\nX-N: %d" % number, 1) for number, each in enumerate(requests)]


MARK = re.compile(rb"(?i)x-n: \d\r\n")


async def outcome(pieces: Iterator[bytes], limit: int | None, answer: bytes) -> tuple[bytes, bytes, object, bool]:
    """What the client and the upstream get, what was asked, and whether the connection is closed."""
    policy, numbers = Passing(limit), itertools.count()

    def respond(data: bytes) -> bytes:
        # Whatever part of a request this write was, its end asks for an answer.
        sent = b"".join(pool.sent)
        wanted, given = _requests(sent), next(numbers) if _requests(sent) > answered[0] else -1
        answered[0] = max(answered[0], wanted)
        return b"" if given < 0 else (answer % (5 + given)) + b"y" * (5 + given)

    answered = [0]
    pool = MemoryPool(respond)
    client, transport = MemoryRelay(policy, pool).connect()
    for piece in pieces:
        if not transport.closing:
            client.data_received(piece)
        for _ in range(4):
            await asyncio.sleep(0)
    if not transport.closing:
        client.connection_lost(None)
    return bytes(transport.written), b"".join(pool.sent), policy.asked, transport.closing


def _requests(sent: bytes) -> int:
    """How many whole requests were sent upstream."""
    count = 0
    while (end := sent.find(b"\r\n\r\n")) >= 0:
        head, sent = sent[:end].lower(), sent[end + 4 :]
        if b"transfer-encoding" in head:
            if (last := sent.find(b"0\r\n\r\n")) < 0:
                return count
            sent = sent[last + 5 :]
        else:
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            if len(sent) < length:
                return count
            sent = sent[length:]
        count += 1
    return count


@pytest.mark.parametrize("limit", [None, 1_000_000])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", list(SEQUENCES))
async def test_known_heads_are_relayed_as_unknown_ones_are(name: str, answer: bytes, limit: int | None) -> None:
    requests = SEQUENCES[name]
    for arrival in (whole, joined, apart, shifted):
        written, sent, asked, closed = await outcome(arrival(marked(requests)), limit, answer)
        wanted = (written, MARK.sub(b"", sent), asked, closed)
        assert await outcome(arrival(requests), limit, answer) == wanted, arrival.__name__


async def test_an_early_end_of_a_known_body_breaks_nothing() -> None:
    async def ended(first: bytes) -> tuple[bytes, bytes, object, bool]:
        return await outcome(iter([first, HEAD % 10 + b"hel"]), 1000, ANSWERS[0])

    known, unknown = await ended(post(b"hello")), await ended(post(b"hello", HEAD.replace(b"Bearer a", b"Bearer b")))
    assert known[0] == unknown[0]
    assert known[2] == unknown[2] == [("/relayed", b"hello")]


async def test_answers_of_known_heads_come_in_pieces() -> None:
    heads = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    policy = Passing(None)
    pool = MemoryPool(lambda data: b"")
    client, transport = MemoryRelay(policy, pool).connect()
    for body in (b"hello", b"hello, world", b"", b"x" * 70_000):
        client.data_received(GET)
        upstream = pool.transports[0].protocol
        before = len(transport.written)
        for piece in (heads % len(body) + body[:2], body[2:9], body[9:]):
            if piece:
                upstream.data_received(piece)
        assert bytes(transport.written[before:]) == heads % len(body) + body
    assert len(pool.transports) == 1, "the connection stays in step"
    assert not transport.closing
    client.connection_lost(None)


async def test_a_head_behind_a_known_one_is_not_taken_for_it() -> None:
    other = post(b"hello", HEAD.replace(b"Bearer a", b"Bearer b"))
    pool = MemoryPool(lambda data: b"")
    client, _ = MemoryRelay(Passing(None), pool).connect()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    for requests in ([post(b"hello")], [post(b"hello"), other], [post(b"hello")], [other]):
        for request in requests:
            client.data_received(request)
        for _ in requests:
            pool.transports[0].protocol.data_received(answer)
    asked = b"".join(re.findall(rb"Bearer (.)", b"".join(pool.sent)))
    assert asked == b"aabab"
    client.connection_lost(None)


CHUNKS = (
    b"5\r\nhello\r\n",
    b"A\r\n0123456789\r\n",
    b"5;x=1\r\nhello\r\n",
    b"5\r\nhello\r\n3\r\nabc\r\n",
    b"5\r\nhel",
    b"lo\r\n",
    b"00002\r\n\r\n\r\n",
    b"5",
    b"\r\nhello",
    b"\r\n",
    b"4\r\n5\r\nx\r\n",
    b"0\r\n\r\n",
)
WRONG = (b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5\r\nhello..", b"5 \r\nhell\r\n", b"5_\r\nhello\r\n", b"-1\r\n\r\n")


async def answered(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What a client gets of an answer that comes in these pieces, and whether its connection broke."""
    pool = MemoryPool(lambda data: b"")
    client, transport = MemoryRelay(Passing(None), pool).connect()
    client.data_received(GET)
    for piece in pieces:
        if not pool.transports[0].closing:
            pool.transports[0].protocol.data_received(piece)
    broken = transport.closing
    client.connection_lost(None)
    return _unchunked(bytes(transport.written)), broken


def _unchunked(written: bytes) -> bytes:
    rest, body = written.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


async def test_chunks_arrive_whole_however_they_come() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    bytewise = [bytes([byte]) for byte in head + b"".join(CHUNKS)]
    for pieces in ([head, *CHUNKS], [head + CHUNKS[0], *CHUNKS[1:]], bytewise):
        assert await answered(pieces) == (b"hello0123456789hellohelloabchello\r\nhello5\r\nx", False)
    for wrong in WRONG:
        known, parsed = await answered([head, CHUNKS[0], wrong]), await answered([head + CHUNKS[0] + wrong])
        assert known[1] == parsed[1] is True, wrong


async def test_bytes_behind_an_answer_cost_the_connection() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    pool = MemoryPool(lambda data: b"")
    client, transport = MemoryRelay(Passing(None), pool).connect()
    for pieces in ((answer,), (answer + b"more",), (answer[:-2], answer[-2:] + b"more")):
        client.data_received(GET)
        for piece in pieces:
            pool.transports[-1].protocol.data_received(piece)
    client.data_received(GET)
    assert bytes(transport.written) == answer * 3
    assert len(pool.transports) == 3
    client.connection_lost(None)


async def test_a_known_request_ends_the_idleness_that_followed_the_application() -> None:
    async def slow(visit: Visit) -> None:
        while True:
            await visit.request()
            await asyncio.sleep(1.2)
            await visit.answer(b"hello")

    async with scripted_upstream(slow) as upstream:
        policy = Pass(Upstream(upstream.host, upstream.port))
        async with live_relay(policy, application_idle=1) as relay:
            client = await relay.connect()
            for _ in range(2):
                await client.send(b"GET /other HTTP/1.1\r\nhost: e\r\n\r\n")
                await client.until(b"app:/other")
                await client.send(GET)
                assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200")
            client.close()
