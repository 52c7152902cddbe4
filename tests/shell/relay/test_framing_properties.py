"""Framing under mutation: any bytes, cut anywhere, mean the same here as to another strict parser."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulators.framing_oracle import judge, run

MESSAGES = [
    b"POST /x?a=1 HTTP/1.1\r\nhost: e\r\ncontent-length: 3\r\n\r\nabc",
    b'POST /c HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x="y"\r\nde\r\n0\r\nt: 1\r\n\r\n',
    b"GET /y HTTP/1.1\r\nhost: e\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nx-request-id: abc\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\nhost: [::1]:80\r\nx_forwarded_for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n\r\n",
    b"PUT /e HTTP/1.1\r\nhost: e\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok",
    b"DELETE /d HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: e\r\nte: trailers\r\nupgrade: h2c\r\n\r\n",
    b"GET /last HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n",
]
FRAGMENTS = [
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b";", b",", b"0\r\n\r\n", b"\r\n\r\n", b"content-length: 3\r\n",
    b"content-length: 30\r\n", b"transfer-encoding: chunked\r\n", b"transfer-encoding: identity\r\n", b"host: f\r\n",
    b"connection: content-length\r\n", b"connection: host, transfer-encoding\r\n", b" HTTP/1.1", b"\xff", b"0x", b"+",
    b"GET /smuggled HTTP/1.1\r\nhost: e\r\n\r\n", b"expect: 100-continue\r\n", b"Content_Length: 5\r\n", b"\x0b",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One to four messages behind each other, with up to four pieces cut out, repeated or put in."""
    raw = b"".join(draw(st.lists(st.sampled_from(MESSAGES), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        piece = draw(st.sampled_from(FRAGMENTS) | st.binary(min_size=1, max_size=3))
        cut = draw(st.sampled_from([0, 0, 1, 2, 5, len(piece)]))
        raw = raw[:at] + piece + raw[at + cut :]
    return raw[:1500]


@settings(max_examples=400, deadline=None)
@given(mutated())
@example(b"POST / HTTP/1.1\r\nhost: e\r\ncontent-length: 3\r\n\r\nab")
@example(b"\r\n\r\n")
def test_any_bytes_are_understood_alike_here_and_elsewhere(raw: bytes) -> None:
    asyncio.run(judge(raw))


@settings(max_examples=150, deadline=None)
@given(mutated(), st.lists(st.integers(0, 1500), max_size=12))
def test_any_cuts_leave_the_requests_as_they_are(raw: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[start:end] for start, end in itertools.pairwise(edges) if end > start]

    async def compare() -> None:
        whole, cut = await run([raw], limit=None), await run(pieces, limit=None)
        complete = [request for request in whole.requests if request.body is not None]
        assert [request for request in cut.requests if request.body is not None] == complete
        assert [status for status in cut.statuses if status == 200] == [s for s in whole.statuses if s == 200]

    asyncio.run(compare())


@pytest.mark.parametrize("limit", [None, 4096])
@pytest.mark.parametrize("number", range(len(MESSAGES)))
def test_messages_cut_at_every_byte_are_the_same(number: int, limit: int | None) -> None:
    raw = MESSAGES[number] + MESSAGES[0]

    async def compare() -> None:
        whole = await run([raw], limit=limit)
        assert whole.statuses.count(200) >= 1
        for cut in range(1, len(raw)):
            assert (await run([raw[:cut], raw[cut:]], limit=limit)).requests == whole.requests
        assert (await run([raw[at : at + 1] for at in range(len(raw))], limit=limit)).requests == whole.requests

    asyncio.run(compare())
