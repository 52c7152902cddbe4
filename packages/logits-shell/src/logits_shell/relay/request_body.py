"""The request body on its way upstream: buffered for a decision or streamed, always bounded."""

from __future__ import annotations

from logits_shell.relay import framing
from logits_shell.relay.upstream import UpstreamConnection

LARGE_BYTES = 262_144
"""What takes long enough to read that whatever follows had better wait for its own turn of the loop."""


class RequestBody:
    """Collects a request body and sends it to whichever upstream connection is attached.

    Until a connection is attached all bytes are kept; once `congested`, the client of a streamed body, or of
    one whose turn hasn't come, should be paused.
    Afterwards bytes are passed on as they come; the first `replay_bytes` are kept so that the request can
    be sent again if a pooled connection turns out to be stale.

    Args:
        length: What the head announces, None for nothing; without it and chunks the body is complete at once.
        chunked: Whether the head announces chunks.
        limit: Most bytes that may be buffered for a decision; None streams.
        replay_bytes: Most bytes kept of a streamed body.
    """

    __slots__ = ("_connection", "_kept", "_replay_bytes", "chunked", "complete", "length", "limit", "size")

    def __init__(self, length: int | None, *, chunked: bool, limit: int | None, replay_bytes: int) -> None:
        self.length = length
        self.chunked = chunked
        self.limit = limit
        self.complete = not chunked and not length
        self._replay_bytes = replay_bytes
        self._kept: list[bytes] | None = []
        self.size = 0
        self._connection: UpstreamConnection | None = None

    @property
    def expected(self) -> bool:
        """Whether the head announces a body."""
        return self.chunked or bool(self.length)

    @property
    def over_limit(self) -> bool:
        """Whether the body is, or is announced to be, larger than may be buffered."""
        return self.limit is not None and max(self.size, self.length or 0) > self.limit

    @property
    def large(self) -> bool:
        """Whether so much has come that others should have a turn before it's looked at."""
        return self.size > LARGE_BYTES

    @property
    def replayable(self) -> bool:
        """Whether everything received so far is still at hand."""
        return self._kept is not None

    @property
    def stays_replayable(self) -> bool:
        """Whether everything will still be at hand when the request has been sent."""
        if self.limit is not None or self.complete:
            return self._kept is not None
        return self._kept is not None and self.length is not None and self.length <= self._replay_bytes

    @property
    def congested(self) -> bool:
        """Whether more has come than shall be held here until a connection is attached."""
        return self._connection is None and self.size > self._replay_bytes

    def fill(self, data: bytes) -> None:
        """Take all of it at once."""
        self.size = len(data)
        self._kept = [data]
        self.complete = True

    def feed(self, data: bytes) -> None:
        """Take a piece from the client."""
        self.size += len(data)
        if self._kept is not None:
            self._kept.append(data)
        if self._connection is not None:
            self._connection.write(framing.chunk(data) if self.chunked else data)
            if self.size > self._replay_bytes:
                self._kept = None

    def finish(self) -> None:
        """Take the end of the body."""
        self.complete = True
        if self._connection is not None:
            if self.chunked:
                self._connection.write(framing.END_OF_CHUNKS)
            self._connection.sent = True

    def whole(self) -> bytes:
        """Return a buffered body."""
        kept = self._kept or []
        if len(kept) > 1:
            kept[:] = [b"".join(kept)]
        return kept[0] if kept else b""

    def framing_line(self, replacement: bytes | None) -> bytes:
        """Return the field line that frames the body upstream, b"" for no body."""
        if replacement is not None:
            return b"content-length: %d\r\n" % len(replacement)
        if self.limit is not None and self.expected:
            return b"content-length: %d\r\n" % self.size
        if self.chunked:
            return b"transfer-encoding: chunked\r\n"
        return b"" if self.length is None else b"content-length: %d\r\n" % self.length

    def attach(self, connection: UpstreamConnection, head: bytes, replacement: bytes | None) -> None:
        """Send `head` and what is there of the body in one write, and the rest as it comes."""
        if replacement is not None or self.limit is not None:
            connection.write(head + (self.whole() if replacement is None else replacement))
            connection.sent = True
            return
        kept = self._kept or ()
        if self.chunked:
            end = framing.END_OF_CHUNKS if self.complete else b""
            connection.write(b"".join((head, *map(framing.chunk, kept), end)))
        else:
            connection.write(b"".join((head, *kept)))
        connection.sent = self.complete
        if not self.complete:
            self._connection = connection
            if self.size > self._replay_bytes:
                self._kept = None

    def detach(self) -> None:
        """Stop sending: the attached connection is gone or has answered."""
        self._connection = None

    def drop(self) -> None:
        """Free what was kept: no second attempt will need it."""
        self._kept = None
