"""What must hold for any bytes at the relay's door, judged by another parser (h11) on both sides."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import h11

from logits_shell.relay import Forward, RelayOptions, RequestHead, Upstream
from logits_shell.relay.upstream import UpstreamConnection
from simulators.memory_relay import MemoryPool, MemoryRelay

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HERE = Upstream("upstream", 1)


@dataclass
class Taken:
    """A policy that relays everything and notes what it was asked."""

    limit: int | None
    heads: list[RequestHead] = field(default_factory=list[RequestHead])

    def relays(self, method: str, path: str) -> bool:
        return True

    def wants_body(self, head: RequestHead) -> int | None:
        return self.limit

    def decide(self, head: RequestHead, body: bytes | None) -> Forward:
        self.heads.append(head)
        return Forward(HERE, head.target)


@dataclass(frozen=True)
class Request:
    """One request as another parser reads it; the body is None while it's incomplete."""

    method: bytes
    target: bytes
    body: bytes | None


@dataclass(frozen=True)
class Seen:
    """What came of some bytes: requests that went upstream, and the statuses of the answers."""

    requests: list[Request]
    statuses: list[int]


def read_requests(raw: bytes) -> list[Request]:
    """Parse bytes as a strict server does; raises h11.RemoteProtocolError when it would refuse them."""
    if not raw:
        # To that parser no bytes mean the end of the connection.
        return []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    found: list[Request] = []
    body = b""
    while True:
        event: Any = connection.next_event()
        if isinstance(event, h11.Request):
            body = b""
            found.append(Request(event.method, event.target, None))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            found[-1] = Request(found[-1].method, found[-1].target, body)
            if not _goes_on(connection, found[-1].method):
                return found
        else:
            return found


def _goes_on(connection: h11.Connection, method: bytes) -> bool:
    if method == b"CONNECT":
        return False
    connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is h11.MUST_CLOSE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


async def run(pieces: list[bytes], *, limit: int | None) -> Seen:
    """Hand bytes to a relay piece by piece and check what must always hold."""
    failures: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    policy = Taken(limit)
    pool = MemoryPool(lambda data: b"")
    _answer_whole_requests(pool)
    relay = MemoryRelay(policy, pool, RelayOptions(head_bytes=2048, replay_bytes=256))
    protocol, transport = relay.connect()
    for piece in pieces:
        if transport.closing:
            break
        protocol.data_received(piece)
        for _ in range(4):
            await asyncio.sleep(0)
    for _ in range(24):
        await asyncio.sleep(0)
    answers = bytes(transport.written)
    sent = [raw for raw in pool.sent if raw]
    transport.abort()
    pool.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not failures, failures
    assert pool.open_connections == 0
    requests = [request for raw in sent for request in read_requests(raw)]
    assert len(requests) <= len(policy.heads)
    for raw in sent:
        _check_heads(raw)
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
    return Seen(requests, statuses)


def _answer_whole_requests(pool: MemoryPool) -> None:
    # An upstream answers once it has a whole request, as its own strict parser sees it.
    received: dict[UpstreamConnection, tuple[bytes, int]] = {}

    def respond(connection: UpstreamConnection, data: bytes) -> None:
        raw, answered = received.get(connection, (b"", 0))
        raw += data
        whole = sum(request.body is not None for request in read_requests(raw))
        for _ in range(whole - answered):
            asyncio.get_running_loop().call_soon(connection.data_received, ANSWER)
        received[connection] = (raw, whole)

    pool.respond = respond


def _check_heads(raw: bytes) -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    event: Any = connection.next_event()
    if not isinstance(event, h11.Request):
        return
    names = [name for name, _ in event.headers]
    assert names.count(b"host") <= 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert not {b"connection", b"te", b"trailer", b"upgrade", b"expect", b"keep-alive"}.intersection(names)
    assert dict(event.headers)[b"x-forwarded-for"] == b"127.0.0.1"


async def judge(raw: bytes) -> None:
    """Check that bytes are understood alike whole and split, streamed and buffered, here and elsewhere."""
    whole = await run([raw], limit=None)
    buffered = await run([raw], limit=4096)
    halves = await run([raw[: len(raw) // 2], raw[len(raw) // 2 :]], limit=None)
    assert _complete(buffered) == _complete(whole) == _complete(halves)
    theirs: list[Request] | None
    try:
        theirs = read_requests(raw)
    except h11.RemoteProtocolError:
        theirs = None
    if theirs is not None:
        ours = _complete(whole)
        others = [request for request in theirs if request.body is not None]
        if b"HTTP/1.0" in raw:
            # The other parser ends every connection of HTTP/1.0; ours may go on where the client asked for it.
            ours = ours[: len(others)]
        assert ours == others[: len(ours)], (ours, others)


def _complete(seen: Seen) -> list[Request]:
    return [request for request in seen.requests if request.body is not None]
