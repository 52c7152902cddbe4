"""Live events: a server-sent event response that always closes what feeds it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import msgspec
from litestar.types import HTTPResponseStartEvent, Receive, Scope, Send

PING_SECONDS = 15.0
_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


def encode_event(data: object, *, event: str | None = None, identity: str | None = None) -> bytes:
    """One event frame: ``data`` as JSON on a single line, optionally named and numbered."""
    head = f"event: {event}\n" if event else ""
    if identity:
        head += f"id: {identity}\n"
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


class EventStream:
    """An ASGI answer that sends frames as they come and a comment while they pause.

    A handler returns it as its response. Litestar's own stream never closes its iterator, so a
    browser that leaves would leak what the generator holds; this one closes it in every case.

    Args:
        frames: encoded frames; ends the response when it ends.
        ping_seconds: pause after which a comment shows both sides that the connection lives.
    """

    def __init__(self, frames: AsyncGenerator[bytes, None], *, ping_seconds: float = PING_SECONDS) -> None:
        self._frames = frames
        self._ping_seconds = ping_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": 200,
            "headers": list(_HEADERS),
        }
        async with aclosing(self._frames):
            await send(start)
            async with anyio.create_task_group() as group:
                sending = anyio.Lock()
                group.start_soon(self._until_left, receive, group.cancel_scope)
                group.start_soon(self._ping, send, sending)
                async for frame in self._frames:
                    await _chunk(send, sending, frame)
                group.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _ping(self, send: Send, sending: anyio.Lock) -> None:
        await _chunk(send, sending, b": connected\n\n")
        while True:
            await anyio.sleep(self._ping_seconds)
            await _chunk(send, sending, b": ping\n\n")

    async def _until_left(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


async def _chunk(send: Send, sending: anyio.Lock, body: bytes) -> None:
    async with sending:
        await send({"type": "http.response.body", "body": body, "more_body": True})
