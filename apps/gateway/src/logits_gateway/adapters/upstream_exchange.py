"""One exchange with the API server, over a connection of the relay: its head, then its bytes as they come."""

from __future__ import annotations

import asyncio

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.relay import FailureKind, Headers
from logits_shell.relay.deadlines import Deadline
from logits_shell.relay.framing import ResponseHead
from logits_shell.relay.upstream import UpstreamConnection

HELD_BYTES = 256 * 1024
"""What may wait for a slow reader before the connection is read no further."""


class StaleError(Exception):
    """The connection was closed while it was idle: nothing of the request was heard."""


class Exchange:
    """Implements `ResponseSink`: what arrives waits here, within bounds, for the one who reads.

    Args:
        connection: to be used.
        replayable: whether the request may be sent again over another connection.
        silence: seconds without a word from the API server after which no more is waited for.
    """

    __slots__ = (
        "_awaits_end", "_bound", "_chunks", "_complete", "_connection", "_deadline", "_head", "_held", "_loop",
        "_lost", "_paused", "_silence", "_silent", "_stale", "_stopped", "_waiter",
    )  # fmt: skip

    def __init__(self, connection: UpstreamConnection, *, replayable: bool, silence: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._stale = connection.reused and replayable
        self._silence = silence
        self._deadline = Deadline(self._loop, self._fell_silent)
        self._head: tuple[int, Headers] | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._bound = HELD_BYTES
        self._awaits_end = self._paused = self._complete = self._silent = self._stopped = False
        self._lost: FailureKind | None = None
        self._waiter: asyncio.Future[None] | None = None

    def send(self, request: bytes) -> None:
        """Send the whole request."""
        self._deadline.set(self._loop.time() + self._silence)
        self._connection.begin(self, head_only=False)
        self._connection.write(request)
        self._connection.sent = True

    async def head(self) -> tuple[int, Headers]:
        """The status and the headers.

        Raises:
            StaleError: the connection had been closed before; another one may be tried.
            LogitsError: UNAVAILABLE without an answer, UPSTREAM_TIMEOUT after too long a silence.
        """
        while self._head is None:
            await self._news()
        return self._head

    async def read(self) -> bytes:
        """What has come of the body and wasn't read yet; nothing at its end, or once it was stopped.

        Raises:
            LogitsError: UNAVAILABLE when it is cut, UPSTREAM_TIMEOUT after too long a silence.
        """
        while not self._chunks and not self._complete and not self._stopped:
            await self._news()
        if self._stopped:
            return b""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        self._resume()
        return data

    async def whole(self, most: int) -> bytes:
        """The whole body, of which nothing was read yet.

        Raises:
            StaleError, LogitsError: as ``head``; UPSTREAM_FAILED when it has more than so many bytes.
        """
        # Nothing is done before the end, so the reader is woken once.
        self._awaits_end, self._bound = True, most
        self._resume()
        while not self._complete and not self._paused:
            await self._news()
        if self._held > most:
            raise LogitsError(
                ErrorCode.UPSTREAM_FAILED, f"the answer has more than {most} bytes; list with limit=500", field="limit"
            )
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def stop(self) -> None:
        """Let the reader hear no more."""
        self._stopped = True
        self._wake()

    def leave(self) -> None:
        """Drop the connection unless the answer was whole."""
        self._deadline.cancel()
        if not self._complete and self._lost is None:
            self._connection.abort()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._connection.resume_reading()

    async def _news(self) -> None:
        if self._lost is FailureKind.CLOSED and self._stale and not self._connection.heard:
            raise StaleError
        if self._lost is not None:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the API server can't be reached ({self._lost.value}); try again",
                retry_after=1,
            )
        if self._silent:
            raise LogitsError(ErrorCode.UPSTREAM_TIMEOUT, "the API server was silent for too long; try again")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fell_silent(self) -> None:
        self._silent = True
        self._wake()

    # -- ResponseSink

    def upstream_head(self, head: ResponseHead, length: int | None) -> None:
        """Take the head."""
        self._head = (head.status, head.headers)
        if not self._awaits_end:
            self._wake()

    def upstream_chunk(self, chunk: bytes) -> None:
        """Keep a piece of the body."""
        self._chunks.append(chunk)
        self._held += len(chunk)

    def upstream_flush(self) -> None:
        """Tell the reader, and read no further while it is behind."""
        self._deadline.set(self._loop.time() + self._silence)
        if self._held > self._bound and not self._paused:
            self._paused = True
            self._connection.pause_reading()
        if self._paused or not self._awaits_end:
            self._wake()

    def upstream_complete(self) -> None:
        """Note the end; the connection is back in the pool."""
        self._complete = True
        self._deadline.cancel()
        self._wake()

    def upstream_lost(self, kind: FailureKind) -> None:
        """Note that no more will come."""
        self._lost = kind
        self._wake()

    def upstream_writable(self, writable: bool) -> None:
        """Bodies are small enough to wait in the transport."""
