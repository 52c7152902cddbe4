"""The response on its way to the client: one head, framed pieces, one proper end."""

from __future__ import annotations

from typing import Protocol

from logits_shell.relay import framing
from logits_shell.relay.policy import Headers


class ByteSink(Protocol):
    """Where response bytes go: the client's connection."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...


class Response:
    """Writes one response to a client.

    Pieces are gathered until `flush`, so that all that one upstream read brought leaves in one write.

    Args:
        sink: The client's connection.
        head_only: The request was a HEAD: no body is sent whatever the head announces.
        http_version: The client's; "1.0" knows no chunks.
        keep_alive: Whether the connection shall stay open; set False any time before `start`.
        always: Fields of every head; they replace an upstream's own.
    """

    def __init__(
        self,
        sink: ByteSink,
        *,
        head_only: bool,
        http_version: str,
        keep_alive: bool,
        always: Headers = (),
    ) -> None:
        self._always = always
        self.keep_alive = keep_alive
        self.started = False
        self.sent = 0
        self._sink = sink
        self._head_only = head_only
        self._http_version = http_version
        self._chunked = False
        self._length: int | None = None
        self._bodiless = False
        self._out: list[bytes] = []

    def start(self, status: int, headers: Headers) -> None:
        """Write the head; a `content-length` among the end-to-end `headers` decides the framing.

        Raises:
            ValueError: a field would break the framing; nothing is written.
        """
        fields = framing.end_to_end(headers, frozenset(name for name, _ in self._always))
        fields += self._always
        self._length = framing.content_length(headers)
        self._bodiless = self._head_only or status in framing.BODILESS or status < 200
        extra = self._framing_fields(status)
        if not self.keep_alive:
            extra.append((b"connection", b"close"))
        elif self._http_version == "1.0":
            extra.append((b"connection", b"keep-alive"))
        self._out.append(framing.response_head(status, fields, tuple(extra)))
        self.started = True

    def _framing_fields(self, status: int) -> list[tuple[bytes, bytes]]:
        if self._length is not None and status != 204:
            return [(b"content-length", b"%d" % self._length)]
        if self._bodiless:
            return []
        if self._http_version == "1.0":
            self.keep_alive = False
            return []
        self._chunked = True
        return [(b"transfer-encoding", b"chunked")]

    @property
    def open_ended(self) -> bool:
        """Whether bytes can be added to the body: its length wasn't promised."""
        return self.started and self._length is None and not self._bodiless

    def piece(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self._bodiless or not data:
            return
        self.sent += len(data)
        if self._length is not None and self.sent > self._length:
            # More than was promised would be read as the start of the next response.
            return
        self._out.append(framing.chunk(data) if self._chunked else data)

    def flush(self) -> None:
        """Hand everything gathered to the connection."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._sink.write(data)

    def finish(self) -> bool:
        """End the body and flush; False when fewer or more bytes came than the head had promised."""
        if self._chunked:
            self._out.append(framing.END_OF_CHUNKS)
        self.flush()
        return self._bodiless or self._length is None or self._length == self.sent
