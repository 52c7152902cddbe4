"""The framing table: raw bytes and the answer that every door of ours owes them."""

from __future__ import annotations

import asyncio
import contextlib
import re

DEADLINE = 5.0
_CHUNKED = b"POST PATH HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n"


def _head(*lines: bytes, first: bytes = b"POST PATH HTTP/1.1") -> bytes:
    return b"\r\n".join((first, b"host: e", *lines)) + b"\r\n\r\n"


REFUSED: dict[str, tuple[bytes, int]] = {
    # Two framings of one message.
    "length and chunks": (_head(b"content-length: 3", b"transfer-encoding: chunked"), 400),
    "chunks and length": (_head(b"transfer-encoding: chunked", b"content-length: 3"), 400),
    "two lengths": (_head(b"content-length: 3", b"content-length: 4"), 400),
    "the same length twice": (_head(b"content-length: 3", b"content-length: 3"), 400),
    "a list of lengths": (_head(b"content-length: 3, 3"), 400),
    "signed length": (_head(b"content-length: +3"), 400),
    "negative length": (_head(b"content-length: -3"), 400),
    "hexadecimal length": (_head(b"content-length: 0x3"), 400),
    "empty length": (_head(b"content-length:"), 400),
    "length with a space inside": (_head(b"content-length: 1 0"), 400),
    "length beyond 64 bits": (_head(b"content-length: 99999999999999999999999"), 400),
    "coding that isn't chunked": (_head(b"transfer-encoding: gzip"), 400),
    "coding before chunked": (_head(b"transfer-encoding: gzip, chunked"), 400),
    "coding after chunked": (_head(b"transfer-encoding: chunked, gzip"), 400),
    "chunked twice": (_head(b"transfer-encoding: chunked, chunked"), 400),
    "chunked in two fields": (_head(b"transfer-encoding: chunked", b"transfer-encoding: chunked"), 400),
    "identity and chunked": (_head(b"transfer-encoding: identity", b"transfer-encoding: chunked"), 400),
    "mutated coding": (_head(b"transfer-encoding: xchunked"), 400),
    "quoted coding": (_head(b'transfer-encoding: "chunked"'), 400),
    "coding with a vertical tab": (_head(b"transfer-encoding: \x0bchunked"), 400),
    "empty coding": (_head(b"transfer-encoding:"), 400),
    "chunks in HTTP/1.0": (_head(b"transfer-encoding: chunked", first=b"POST PATH HTTP/1.0"), 400),
    # Lines.
    "space before colon": (b"GET PATH HTTP/1.1\r\nhost : e\r\n\r\n", 400),
    "space before the length's colon": (_head(b"content-length : 3"), 400),
    "folded line": (_head(b"x: 1", b" 2"), 400),
    "folded line with a tab": (_head(b"x: 1", b"\t2"), 400),
    "line that begins with a space": (b"GET PATH HTTP/1.1\r\n host: e\r\n\r\n", 400),
    "field without a name": (_head(b": 1"), 400),
    "field without a colon": (_head(b"nothing"), 400),
    "name with a control character": (_head(b"x\x01: 1"), 400),
    "name beyond ASCII": (_head(b"x\xe9: 1"), 400),
    "bare line feed after the first line": (b"GET PATH HTTP/1.1\nhost: e\r\n\r\n", 400),
    "bare line feeds": (b"GET PATH HTTP/1.1\nhost: e\n\n", 400),
    "bare line feed after a field": (b"GET PATH HTTP/1.1\r\nhost: e\r\nx: 1\ny: 2\r\n\r\n", 400),
    "bare line feed at the end": (b"GET PATH HTTP/1.1\r\nhost: e\r\n\n", 400),
    "bare carriage return": (b"GET PATH HTTP/1.1\r\nhost: e\r\nx: 1\ry: 2\r\n\r\n", 400),
    "NUL in a value": (_head(b"x: a\x00b"), 400),
    "control character in a value": (_head(b"x: a\x07b"), 400),
    # The first line.
    "tab in place of a space": (b"GET\tPATH HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "space in the target": (b"GET PATH x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "lower-case method": (b"get PATH HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "unknown method": (b"SMUGGLE PATH HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "no version": (b"GET PATH\r\nhost: e\r\n\r\n", 505),
    "HTTP/0.9": (b"GET PATH HTTP/0.9\r\nhost: e\r\n\r\n", 505),
    "HTTP/1.2": (b"GET PATH HTTP/1.2\r\nhost: e\r\n\r\n", 400),
    "HTTP/2.0": (b"GET PATH HTTP/2.0\r\nhost: e\r\n\r\n", 505),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "version with a letter": (b"GET PATH HTTP/1.x\r\nhost: e\r\n\r\n", 400),
    "lower-case protocol": (b"GET PATH http/1.1\r\nhost: e\r\n\r\n", 400),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    # Hosts and targets.
    "two hosts": (b"GET PATH HTTP/1.1\r\nhost: e\r\nhost: f\r\n\r\n", 400),
    "the same host twice": (b"GET PATH HTTP/1.1\r\nhost: e\r\nHost: e\r\n\r\n", 400),
    "no host": (b"GET PATH HTTP/1.1\r\n\r\n", 400),
    "list of hosts": (b"GET PATH HTTP/1.1\r\nhost: e, f\r\n\r\n", 400),
    "host with a path": (b"GET PATH HTTP/1.1\r\nhost: e/x\r\n\r\n", 400),
    "host with a user": (b"GET PATH HTTP/1.1\r\nhost: u@e\r\n\r\n", 400),
    "absolute target": (b"GET http://e/ HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "absolute target of another host": (b"GET http://f/ HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "target without a slash": (b"GET v1 HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "asterisk without OPTIONS": (b"GET * HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "dot segments": (b"GET PATH/../x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded dot segments": (b"GET PATH/%2E%2e/x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded slash": (b"GET PATH%2fx HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded backslash": (b"GET PATH%5cx HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "encoded NUL": (b"GET PATH%00 HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "backslash": (b"GET PATH\\x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "fragment": (b"GET PATH#x HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "target beyond ASCII": (b"GET PATH\xff HTTP/1.1\r\nhost: e\r\n\r\n", 400),
    "connect": (b"CONNECT e:1 HTTP/1.1\r\nhost: e\r\n\r\n", 405),
    "unknown expectation": (_head(b"expect: magic"), 417),
    # Sizes.
    "many fields": (b"GET PATH HTTP/1.1\r\nhost: e\r\n" + b"x: 1\r\n" * 200 + b"\r\n", 431),
    "large head": (b"GET PATH HTTP/1.1\r\nhost: e\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "large target": (b"GET PATH?" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: e\r\n\r\n", 431),
    "head without an end": (b"GET PATH HTTP/1.1\r\nhost: e\r\nx: " + b"a" * 70_000, 431),
    # Chunks.
    "chunk size that is no number": (_CHUNKED + b"zz\r\n\r\n", 400),
    "chunk size with 0x": (_CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with a sign": (_CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "negative chunk size": (_CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    "empty chunk size": (_CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size beyond 64 bits": (_CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with an underscore": (_CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n", 400),
    "space before the chunk size": (_CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", 400),
    "space after the chunk size": (_CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", 400),
    "bare line feed after a chunk size": (_CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400),
    "chunk longer than its size": (_CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunk ends with a bare line feed": (_CHUNKED + b"3\r\nabc\n0\r\n\r\n", 400),
    "chunk ends with a bare carriage return": (_CHUNKED + b"3\r\nabc\r0\r\n\r\n", 400),
    "bare line feed in an extension": (_CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", 400),
    "control character in an extension": (_CHUNKED + b"3;a=\x01\r\nabc\r\n0\r\n\r\n", 400),
    "extension of 800 kB": (_CHUNKED + b"3;" + b"a" * 800_000 + b"\r\nabc\r\n0\r\n\r\n", 400),
    "extensions that outweigh the body": (_CHUNKED + (b"1;" + b"a" * 400 + b"\r\nx\r\n") * 2000 + b"0\r\n\r\n", 400),
    "trailers of 800 kB": (_CHUNKED + b"3\r\nabc\r\n0\r\nx: " + b"a" * 800_000 + b"\r\n\r\n", 400),
    "length in the trailers": (_CHUNKED + b"3\r\nabc\r\n0\r\ncontent-length: 9\r\n\r\n", 400),
    "folded trailer": (_CHUNKED + b"3\r\nabc\r\n0\r\nx: 1\r\n 2\r\n\r\n", 400),
    "last chunk with a bare line feed": (_CHUNKED + b"3\r\nabc\r\n0\n\n", 400),
}
"""Name, bytes (`PATH` stands for a path of the door) and the status that is owed."""

FOLLOWING = b"GET PATH?following HTTP/1.1\r\nhost: e\r\n\r\n"


async def answers(host: str, port: int, raw: bytes) -> bytes:
    """Send bytes; returns everything until the server closes."""
    reader, writer = await asyncio.open_connection(host, port)
    data = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(DEADLINE):
            writer.write(raw)
            while piece := await reader.read(65_536):
                data += piece
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return data


ODD_PATHS = frozenset(
    {
        "dot segments",
        "encoded dot segments",
        "encoded slash",
        "encoded backslash",
        "encoded NUL",
        "backslash",
    }
)
"""Rows that can be read in one way only: a door may let its app refuse them."""


async def faults(
    host: str, port: int, path: bytes, *, early: bytes = b"none", readable: frozenset[str] = frozenset()
) -> dict[str, bytes]:
    """Send every row, each with another request behind it; returns the answers that aren't as they should be.

    A refused message gets one answer of the right status that ends the connection, and what follows it on
    the connection is never taken for a request.

    Args:
        host: Address of the door.
        port: Its port.
        path: What is asked for.
        early: A status that the door may answer by when it doesn't read bodies that come in many pieces.
        readable: Rows that the door leaves to its app.
    """
    wrong: dict[str, bytes] = {}
    for name, (row, status) in REFUSED.items():
        if name in readable:
            continue
        following = b"" if name == "head without an end" else FOLLOWING
        answer = await answers(host, port, (row + following).replace(b"PATH", path))
        fine = answer.startswith(b"HTTP/1.1 %d " % status) and b"connection: close\r\n" in answer
        fine |= len(row) > 500_000 and answer.startswith(b"HTTP/1.1 %b " % early)
        if not fine or len(re.findall(rb"HTTP/1\.1 \d", answer)) != 1:
            wrong[name] = answer[:300]
    return wrong
