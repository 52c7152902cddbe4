"""One exchange with the API server, over a connection of the relay: its head, then its bytes as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.relay import FailureKind, Headers
from logits_shell.relay.framing import ResponseHead
from logits_shell.relay.upstream import UpstreamConnection

HELD_BYTES = 256 * 1024
"""What may wait for a slow reader before the connection is read no further."""


class StaleError(Exception):
    """The connection was closed while it was idle: nothing of the request was heard."""


class Exchange:
    """Implements `ResponseSink`: what arrives waits here, within bounds, for whoever reads.

    Args:
        connection: to be used.
        replayable: whether the request may be sent again over another connection.
    """

    def __init__(self, connection: UpstreamConnection, *, replayable: bool) -> None:
        self._connection = connection
        self._stale = connection.reused and replayable
        self._head: tuple[int, Headers] | None = None
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._lost: FailureKind | None = None
        self._complete = False
        self._news = asyncio.Event()

    def send(self, request: bytes) -> None:
        """Send the whole request."""
        self._connection.begin(self, head_only=False)
        self._connection.write(request)
        self._connection.sent = True

    async def head(self, silence: float) -> tuple[int, Headers]:
        """The status and the headers.

        Raises:
            StaleError: the connection had been closed before; another one may be tried.
            LogitsError: UNAVAILABLE without an answer, UPSTREAM_TIMEOUT after so many seconds of silence.
        """
        while self._head is None:
            if self._lost is FailureKind.CLOSED and self._stale and not self._connection.heard:
                raise StaleError
            await self._more(silence)
        return self._head

    async def chunks(self, silence: float) -> AsyncGenerator[bytes, None]:
        """The body, as it comes.

        Raises:
            LogitsError: UNAVAILABLE when it is cut, UPSTREAM_TIMEOUT after so many seconds of silence.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                yield chunk
            if self._complete:
                return
            if self._paused:
                self._paused = False
                self._connection.resume_reading()
            await self._more(silence)

    def leave(self) -> None:
        """Drop the connection unless the answer was whole."""
        if not self._complete and self._lost is None:
            self._connection.abort()

    async def _more(self, silence: float) -> None:
        if self._lost is not None:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the API server can't be reached ({self._lost.value}); try again",
                retry_after=1,
            )
        self._news.clear()
        try:
            async with asyncio.timeout(silence):
                await self._news.wait()
        except TimeoutError:
            raise LogitsError(ErrorCode.UPSTREAM_TIMEOUT, "the API server was silent for too long; try again") from None

    # -- ResponseSink

    def upstream_head(self, head: ResponseHead, length: int | None) -> None:
        """Take the head."""
        self._head = (head.status, head.headers)
        self._news.set()

    def upstream_chunk(self, chunk: bytes) -> None:
        """Keep a piece of the body."""
        self._chunks.append(chunk)
        self._held += len(chunk)

    def upstream_flush(self) -> None:
        """Tell the reader, and read no further while it is behind."""
        if self._held > HELD_BYTES and not self._paused:
            self._paused = True
            self._connection.pause_reading()
        self._news.set()

    def upstream_complete(self) -> None:
        """Note the end; the connection is back in the pool."""
        self._complete = True
        self._news.set()

    def upstream_lost(self, kind: FailureKind) -> None:
        """Note that no more will come."""
        self._lost = kind
        self._news.set()

    def upstream_writable(self, writable: bool) -> None:
        """Bodies are small enough to wait in the transport."""
