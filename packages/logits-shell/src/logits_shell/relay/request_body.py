"""The request body on its way upstream: buffered for a decision or streamed, always bounded."""

from __future__ import annotations

from logits_shell.relay import framing
from logits_shell.relay.policy import Headers
from logits_shell.relay.upstream import UpstreamConnection


class RequestBody:
    """Collects a request body and sends it to whichever upstream connection is attached.

    Until a connection is attached all bytes are kept, and `congested` asks for the client to be paused.
    Afterwards bytes are passed on as they come; the first `replay_bytes` are kept so that the request can
    be sent again if a pooled connection turns out to be stale.

    Args:
        headers: The request's fields, which announce the length or chunks.
        limit: Most bytes that may be buffered for a decision; None streams.
        replay_bytes: Most bytes kept of a streamed body.
    """

    def __init__(self, headers: Headers, *, limit: int | None, replay_bytes: int) -> None:
        self.length = framing.content_length(headers)
        self.chunked = framing.is_chunked(headers)
        self.limit = limit
        self.complete = False
        self._replay_bytes = replay_bytes
        self._kept: list[bytes] | None = []
        self._size = 0
        self._connection: UpstreamConnection | None = None

    @property
    def expected(self) -> bool:
        """Whether the head announces a body."""
        return self.chunked or bool(self.length)

    @property
    def over_limit(self) -> bool:
        """Whether the body is, or is announced to be, larger than may be buffered."""
        return self.limit is not None and max(self._size, self.length or 0) > self.limit

    @property
    def replayable(self) -> bool:
        """Whether everything received so far is still at hand."""
        return self._kept is not None

    @property
    def congested(self) -> bool:
        """Whether a streamed body waits for a connection and should wait at the client instead."""
        return self.limit is None and self._connection is None and self._size > self._replay_bytes

    def feed(self, data: bytes) -> None:
        """Take a piece from the client."""
        self._size += len(data)
        if self._kept is not None:
            self._kept.append(data)
        if self._connection is not None:
            self._connection.write(framing.chunk(data) if self.chunked else data)
            if self._size > self._replay_bytes:
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

    def framing_fields(self, replacement: bytes | None) -> Headers:
        """Return the fields that frame the body upstream."""
        if replacement is not None:
            return ((b"content-length", b"%d" % len(replacement)),)
        if self.limit is not None and self.expected:
            return ((b"content-length", b"%d" % self._size),)
        if self.chunked:
            return ((b"transfer-encoding", b"chunked"),)
        return () if self.length is None else ((b"content-length", b"%d" % self.length),)

    def attach(self, connection: UpstreamConnection, head: bytes, replacement: bytes | None) -> None:
        """Send `head` and what is there of the body in one write, and the rest as it comes."""
        if replacement is not None or self.limit is not None:
            connection.write(head + (self.whole() if replacement is None else replacement))
            connection.sent = True
            return
        parts = [head]
        for data in self._kept or ():
            parts.append(framing.chunk(data) if self.chunked else data)
        if self.complete and self.chunked:
            parts.append(framing.END_OF_CHUNKS)
        connection.write(b"".join(parts))
        connection.sent = self.complete
        if not self.complete:
            self._connection = connection
            if self._size > self._replay_bytes:
                self._kept = None

    def detach(self) -> None:
        """Stop sending: the attached connection is gone or has answered."""
        self._connection = None

    def drop(self) -> None:
        """Free what was kept: no second attempt will need it."""
        self._kept = None
