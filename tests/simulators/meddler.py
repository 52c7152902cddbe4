"""A simulated API server gone bad: a real one, but for the paths that it answers with whatever it is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from logits_shell.kubernetes import ClusterAccess

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Meddler:
    """Stands between a Gateway and its API server.

    Attributes:
        answers: raw answers for whoever asks for a path that contains the key.
        heads: of the requests that got such an answer.
    """

    answers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    heads: list[bytes] = field(default_factory=list[bytes])

    @asynccontextmanager
    async def between(self, access: ClusterAccess) -> AsyncGenerator[ClusterAccess, None]:
        """Access to the same API server through the meddler."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await self._one(access, reader, writer)
            finally:
                tasks.discard(task)
                writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield replace(access, base_url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        finally:
            listening.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, access: ClusterAccess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection, so that every head is seen."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(found[1])) if (found := _LENGTH.search(head)) else b""
        path = head.split(b" ")[1]
        for part, answer in self.answers.items():
            if part in path:
                self.heads.append(head)
                writer.write(answer)
                await writer.drain()
                return
        await self._pass_on(access, head, body, writer)

    async def _pass_on(self, access: ClusterAccess, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        place = urlsplit(access.base_url)
        secure = access.verify if place.scheme == "https" else None
        upstream, request = await asyncio.open_connection(place.hostname, place.port, ssl=secure)
        try:
            head = re.sub(rb"(?i)\r\n(host|connection):[^\r]*", b"", head)
            request.write(head[:-2] + f"Host: {place.netloc}\r\nConnection: close\r\n\r\n".encode() + body)
            await request.drain()
            while data := await upstream.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            request.close()
