"""The response on its way to the client: one head, framed pieces, one proper end."""

from __future__ import annotations

from collections.abc import Callable

from logits_shell.relay import framing, heads
from logits_shell.relay.framing import ResponseHead
from logits_shell.relay.policy import Refusal

_CHUNKED = b"transfer-encoding: chunked\r\n"
_CLOSE = b"connection: close\r\n"
_KEEP_ALIVE = b"connection: keep-alive\r\n"


class Response:
    """Writes one response to a client.

    Pieces are gathered until `flush`, so that all that one upstream read brought leaves in one write.

    Args:
        write: Sends bytes to the client.
        head_only: The request was a HEAD: no body is sent whatever the head announces.
        http_version: The client's; "1.0" knows no chunks.
        keep_alive: Whether the connection shall stay open; set False any time before `start`.
        request_id: Sent with the head; "" for none.
    """

    __slots__ = (
        "_bodiless", "_chunked", "_head_only", "_http_version", "_length", "_out", "_request_id", "_write",
        "keep_alive", "sent", "started",
    )  # fmt: skip

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        head_only: bool,
        http_version: str,
        keep_alive: bool,
        request_id: str = "",
    ) -> None:
        self.keep_alive = keep_alive
        self.started = False
        self.sent = 0
        self._write = write
        self._head_only = head_only
        self._http_version = http_version
        self._request_id = request_id
        self._chunked = False
        self._length: int | None = None
        self._bodiless = False
        self._out: list[bytes] = []

    def start(self, head: ResponseHead, length: int | None, added: bytes = b"") -> None:
        """Write the head; `length`, when it's known, decides the framing.

        Raises:
            ValueError: a field would break the framing; nothing is written.
        """
        status = head.status
        self._length = length
        self._bodiless = self._head_only or status in framing.BODILESS or status < 200
        lines = self._framing_line(status)
        if not self.keep_alive:
            lines += _CLOSE
        elif self._http_version == "1.0":
            lines += _KEEP_ALIVE
        self._out.append(heads.response_head(head, added, framing=lines, request_id=self._request_id))
        self.started = True

    def whole(self, refusal: Refusal) -> None:
        """Write a whole answer of our own."""
        facts = framing.facts_of_response(refusal.headers)
        self.start(ResponseHead(refusal.status, refusal.headers, facts), len(refusal.body), refusal.lines)
        self.piece(refusal.body)

    def _framing_line(self, status: int) -> bytes:
        if self._length is not None and status != 204:
            return b"content-length: %d\r\n" % self._length
        if self._bodiless:
            return b""
        if self._http_version == "1.0":
            self.keep_alive = False
            return b""
        self._chunked = True
        return _CHUNKED

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
        self._out.append(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def flush(self) -> None:
        """Hand everything gathered to the connection."""
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._out = []
            self._write(data)

    def finish(self) -> bool:
        """End the body and flush; False when fewer or more bytes came than the head had promised."""
        out = self._out
        if self._chunked:
            out.append(framing.END_OF_CHUNKS)
        if out:
            self._out = []
            self._write(out[0] if len(out) == 1 else b"".join(out))
        return self._bodiless or self._length is None or self._length == self.sent
