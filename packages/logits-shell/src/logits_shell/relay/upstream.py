"""Connections to upstreams: a raw asyncio protocol around httptools' response parser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from logits_shell.relay.policy import FailureKind, Headers, Upstream

LARGEST_HEAD = 65_536


class ResponseSink(Protocol):
    """What one exchange wants to hear from its upstream connection."""

    def upstream_head(self, status: int, headers: Headers) -> None:
        """Hear the final response head."""
        ...

    def upstream_chunk(self, chunk: bytes) -> None:
        """Hear a piece of the body."""
        ...

    def upstream_flush(self) -> None:
        """Hear that everything from one read has been handed over."""
        ...

    def upstream_complete(self) -> None:
        """Hear that the response is whole; the connection is already detached."""
        ...

    def upstream_lost(self, kind: FailureKind) -> None:
        """Hear that no whole response will come; the connection is already detached."""
        ...

    def upstream_writable(self, writable: bool) -> None:
        """Hear that request bytes pile up (False) or may flow again (True)."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """One HTTP/1.1 connection; serves one exchange at a time.

    Attributes:
        upstream: Where it leads.
        reused: Whether an earlier exchange has used it.
        heard: Whether any byte came since the exchange began.
        sent: Whether the whole request has been written; an answer that comes earlier costs the connection.
        idle_since: Loop time of its release.
    """

    def __init__(self, upstream: Upstream, release: Callable[[UpstreamConnection, bool], None]) -> None:
        self.upstream = upstream
        self.reused = False
        self.heard = False
        self.sent = True
        self.idle_since = 0.0
        self._release = release
        self._transport: asyncio.Transport | None = None
        self._sink: ResponseSink | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._in_head = True
        self._informational = False
        self._head_only = False
        self._complete = False
        self._until_close = False
        self._reusable = True

    # -- the exchange's side -------------------------------------------------------------------------------

    def begin(self, sink: ResponseSink, *, head_only: bool) -> None:
        """Serve one exchange; `head_only` when the request was a HEAD."""
        self._sink = sink
        self._head_only = head_only
        self.heard = False
        self.sent = False
        self._complete = False
        self._until_close = False
        self._head_bytes = 0
        self._in_head = True

    def write(self, data: bytes) -> None:
        """Send request bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Stop reading: the client is slower than the upstream."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Leave the exchange and drop the connection at once."""
        self._sink = None
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin here."""
        return self._reusable and self._transport is not None and not self._transport.is_closing()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came and hand it over in one go."""
        if self._sink is None:
            # Nobody asked for these bytes: the connection is out of step and must not be reused.
            self.abort()
            return
        self.heard = True
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._report(error)
            self._fail(FailureKind.PROTOCOL)
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._fail(FailureKind.PROTOCOL)
                return
            self._reusable = False
        self._after_read()

    def _after_read(self) -> None:
        sink = self._sink
        if sink is None:
            return
        if self._complete:
            self._detach()
            sink.upstream_complete()
        elif self._in_head and self._head_bytes > LARGEST_HEAD:
            self._fail(FailureKind.PROTOCOL)
        else:
            sink.upstream_flush()

    def eof_received(self) -> bool:
        """Take a clean end as the end of a body that is delimited by it; fail anything else."""
        if self._sink is not None and self._until_close:
            self._complete = True
            self._reusable = False
            self._after_read()
        elif self._sink is not None:
            self._fail(FailureKind.CLOSED)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, or the pool that held this connection idle."""
        self._reusable = False
        if self._sink is not None:
            self._fail(FailureKind.CLOSED)
        else:
            self._release(self, False)

    def pause_writing(self) -> None:
        """Pass back-pressure to the client that sends the request."""
        if self._sink is not None:
            self._sink.upstream_writable(False)

    def resume_writing(self) -> None:
        """Lift the back-pressure."""
        if self._sink is not None:
            self._sink.upstream_writable(True)

    # -- httptools callbacks -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start a head; a second message behind a complete one makes the connection useless."""
        if self._complete:
            self._reusable = False
        self._headers = []
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; trailers come after the head and are dropped."""
        if self._in_head and not self._complete:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Hand the head over unless it's an informational one."""
        self._in_head = False
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._complete or self._sink is None:
            return
        if self._informational:
            if status == 101:
                raise ValueError("an upstream switched protocols though nobody asked")
            return
        headers = tuple(self._headers)
        self._until_close = not self._head_only and not self._parser.should_keep_alive() and not _delimited(headers)
        self._sink.upstream_head(status, headers)
        if self._head_only:
            # The parser waits for a body that a HEAD never has.
            self._complete = True
            self._reusable = False

    def on_body(self, body: bytes) -> None:
        """Hand a piece over."""
        if self._sink is not None and not self._complete:
            self._sink.upstream_chunk(body)

    def on_message_complete(self) -> None:
        """Note the end; the hand-over follows once the whole read is parsed."""
        if self._informational or self._complete:
            return
        self._complete = True
        self._until_close = False
        if not self._parser.should_keep_alive():
            self._reusable = False

    # -- ends ----------------------------------------------------------------------------------------------

    def _detach(self) -> None:
        self._sink = None
        self.reused = True
        self._reusable = self._reusable and self.sent
        self._release(self, self._reusable)
        if not self._reusable and self._transport is not None:
            self._transport.close()

    def _fail(self, kind: FailureKind) -> None:
        sink = self._sink
        self.abort()
        if sink is not None:
            sink.upstream_lost(kind)

    def _report(self, error: Exception) -> None:
        cause = error.__context__
        if isinstance(cause, ValueError):
            return
        asyncio.get_running_loop().call_exception_handler(
            {"message": "an exchange failed while it handled its upstream's bytes", "exception": cause or error}
        )


def _delimited(headers: Headers) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers)
