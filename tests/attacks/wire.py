"""A client that sends what it is told, byte by byte: no library between an attack and the Gateway."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 when the connection was closed without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    rest: bytes = b""

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def receipt(self) -> int:
        """The index of the record in the audit log; -1 without one."""
        found = self.headers.get("x-audit-receipt", "index=-1")
        return int(found.partition(",")[0].removeprefix("index="))


def request(method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request with these headers and no others but Host and Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: logits-gateway:8080"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def exchange(url: str, sent: bytes) -> Answer:
    """Send bytes on a connection of their own and read the first answer."""
    place = urlsplit(url)
    with anyio.fail_after(ANSWER_SECONDS):
        async with await anyio.connect_tcp(place.hostname or "", place.port or 0) as stream:
            try:
                await stream.send(sent)
                return await _read(stream, bodiless=sent.startswith(b"HEAD "))
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return Answer(0)


async def _read(stream: anyio.abc.SocketStream, *, bodiless: bool) -> Answer:
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    length = 0 if bodiless else int(headers.get("content-length", "0"))
    while len(body) < length:
        body += await stream.receive()
    return Answer(int(lines[0].split(" ")[1]), headers, body[:length], body[length:])
