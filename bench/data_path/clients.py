"""The clients of the endurance figures: streams that are read, bodies that are large, and clients that leave."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field

from mock_engine import MODEL

CHUNK = 1 << 16


def request(port: int, key: str, *, user: str = "", prompt: str = "x" * 1000, stream: bool = True) -> bytes:
    """A chat completion as bytes; `user` tells the mock engine how to behave."""
    body: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
    body |= {"user": user} if user else {}
    body |= {"stream": True} if stream else {}
    raw = json.dumps(body, separators=(",", ":")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw


@dataclass
class Crowd:
    """Clients of one server.

    Attributes:
        port: The server's.
        key: The API key that they send.
        answered: Whole answers so far.
        failed: Answers that weren't 200.
    """

    port: int
    key: str
    answered: int = 0
    failed: int = 0
    _open: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    async def streams(self, until: asyncio.Event) -> None:
        """Ask for one stream after the other on one connection, and read each to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        asked = request(self.port, self.key, user="paced")
        while not until.is_set():
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            self.failed += not head.startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"0\r\n\r\n")
            self.answered += 1
        writer.close()

    async def bodies(self, until: asyncio.Event, *, size: int, pause: float) -> None:
        """Send large bodies, one after the other with a pause."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        words = "The quick brown fox jumps over the lazy dog; "
        asked = request(self.port, self.key, prompt=words * (size // len(words)), stream=False)
        while not until.is_set():
            writer.write(asked)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            self.failed += not head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            self.answered += 1
            await asyncio.sleep(pause)
        writer.close()

    async def hold(self) -> None:
        """Begin a stream that doesn't end, and keep it open once its first event is here."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=CHUNK)
        writer.write(request(self.port, self.key, user="slow"))
        head = await reader.readuntil(b"\r\n\r\n")
        self.failed += not head.startswith(b"HTTP/1.1 200 ")
        await reader.readuntil(b"\n\n")
        self._open.append(writer)

    async def leave(self, number: int) -> None:
        """Leave in the middle: before the first byte or after it, by FIN or by reset, in turn."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        silent = number % 2 == 0
        writer.write(request(self.port, self.key, user="silent" if silent else "slow"))
        if silent:
            await asyncio.sleep(0.01)
        else:
            await reader.readuntil(b"\n\n")
        if number % 4 >= 2:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()
        self.answered += 1

    def close(self) -> None:
        """Let go of all streams that are held."""
        for writer in self._open:
            writer.close()
        self._open.clear()
