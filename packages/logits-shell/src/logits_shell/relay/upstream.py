"""Connections to upstreams: a raw asyncio protocol around httptools' response parser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from logits_shell.relay.familiar import Familiar, Outline
from logits_shell.relay.framing import BODILESS, Facts, ResponseHead, facts_of_response, is_sound_response, whole_chunk
from logits_shell.relay.policy import FailureKind, Upstream

LARGEST_HEAD = 65_536
"""Bytes of a response head, and of the framing between two pieces of its body, trailers included."""

IDLE_MARGIN_SECONDS = 1.0
"""How much earlier than an upstream would close an idle connection it's let go of."""

FOR_EVER = float("inf")


class UnsoundError(Exception):
    """An upstream's head can be read in more than one way, or answers what nobody asked."""


class ResponseSink(Protocol):
    """What one exchange wants to hear from its upstream connection."""

    def upstream_head(self, head: ResponseHead, length: int | None) -> None:
        """Hear the final response head, and how long its body is if that's announced."""
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


class UpstreamConnection:
    """One HTTP/1.1 connection, an `asyncio.Protocol` in all but name; serves one exchange at a time.

    Attributes:
        upstream: Where it leads.
        reused: Whether an earlier exchange has used it.
        heard: Whether any byte came since the exchange began.
        sent: Whether the whole request has been written; an answer that comes earlier costs the connection.
        idle_since: Loop time of its release.
        kept_seconds: How long it may be idle, by what the upstream says; for ever when that says nothing.
    """

    def __init__(
        self,
        upstream: Upstream,
        release: Callable[[UpstreamConnection, bool], None],
        familiar: Familiar[ResponseHead] | None = None,
    ) -> None:
        self.upstream = upstream
        self.reused = False
        self.heard = False
        self.sent = True
        self.idle_since = 0.0
        self.kept_seconds = FOR_EVER
        self._release = release
        self._transport: asyncio.Transport | None = None
        self._sink: ResponseSink | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._familiar = familiar or Familiar[ResponseHead]()
        self._outline: Outline | None = None
        self._rest = 0
        self._between_chunks = False
        self._unheard_bytes = 0
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
        self._rest = 0
        self._between_chunks = False
        self._outline = None
        self._unheard_bytes = 0
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
        """Hand what came over in one go."""
        if self._sink is None:
            # Nobody asked for these bytes: the connection is out of step and must not be reused.
            self.abort()
            return
        sink = self._sink
        try:
            piece = whole_chunk(data) if self._between_chunks else b""
            if piece:
                sink.upstream_chunk(piece)
            elif not self._recalled(sink, data):
                self.heard = True
                # The parser gathers an unfinished field without telling; a piece of the body starts the count anew.
                self._unheard_bytes += len(data)
                self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - the sink's boundary: its failure is this exchange's, not the loop's
            if not self._excused(error):
                return
        # Whatever was heard may have let go of the sink.
        if self._sink is not sink:
            return
        if self._complete or self._unheard_bytes > LARGEST_HEAD:
            self._end(sink)
        else:
            sink.upstream_flush()

    def _recalled(self, sink: ResponseSink, data: bytes) -> bool:
        """Hand over an answer whose head is known, or its rest; False, and nothing is done, for any other."""
        if self._rest:
            self._take(sink, data)
            return True
        if self.heard or self._head_only:
            return False
        found, head = self._familiar.recognise(data)
        if found is None or head is None:
            self._outline = found
            return False
        _, end, length = found
        self.heard = True
        self._in_head = False
        self.kept_seconds = _kept_seconds(head.facts)
        self._rest = length
        sink.upstream_head(head, length)
        self._take(sink, data[end:])
        return True

    def _take(self, sink: ResponseSink, data: bytes) -> None:
        """Hand over bytes of a body whose length is known."""
        if len(data) > self._rest:
            # What is behind an answer makes the connection useless, as it does when the parser finds it.
            data, self._reusable = data[: self._rest], False
        self._rest -= len(data)
        if not self._rest:
            self._complete = True
        if data and self._sink is sink:
            sink.upstream_chunk(data)

    def _excused(self, error: Exception) -> bool:
        """Say whether the exchange may go on all the same; it has failed otherwise, and what isn't told yet is."""
        parsed = isinstance(error, (httptools.HttpParserError, httptools.HttpParserUpgrade))
        called = isinstance(error, httptools.HttpParserCallbackError)
        if parsed and not called and self._complete:
            # The answer was whole; what is behind it can't be read.
            self._reusable = False
            return True
        cause = (error.__context__ or error) if called else error
        if not isinstance(cause, UnsoundError) and (called or not parsed):
            message = "an exchange failed while it handled its upstream's bytes"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": cause})
        self._fail(FailureKind.PROTOCOL)
        return False

    def _end(self, sink: ResponseSink) -> None:
        if self._complete:
            self._detach()
            sink.upstream_complete()
        else:
            self._fail(FailureKind.PROTOCOL)

    def eof_received(self) -> bool:
        """Take a clean end as the end of a body that is delimited by it; fail anything else."""
        sink = self._sink
        if sink is not None and self._until_close:
            self._complete = True
            self._reusable = False
            self._end(sink)
        elif sink is not None:
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
        found, self._outline = self._outline, None
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._complete or self._sink is None:
            return
        if self._informational:
            if status == 101:
                raise UnsoundError("an upstream switched protocols though nobody asked")
            return
        headers = tuple(self._headers)
        facts = facts_of_response(headers)
        if not is_sound_response(facts):
            raise UnsoundError("an upstream announced its body's end in two ways")
        self.kept_seconds = _kept_seconds(facts)
        delimited = facts.length is not None or facts.codings
        self._until_close = not self._head_only and not delimited and not self._parser.should_keep_alive()
        head = ResponseHead(status, headers, facts)
        if found is not None and self._until_length(head):
            self._familiar.learn(found, b"HTTP/1.1 ", headers, head)
        self._between_chunks = bool(facts.codings) and not self._head_only
        self._sink.upstream_head(head, facts.length)
        if self._head_only:
            # The parser waits for a body that a HEAD never has.
            self._complete = True
            self._reusable = False

    def _until_length(self, head: ResponseHead) -> bool:
        """Say whether a head is all that has to be known of its message but the length."""
        delimited = head.facts.length is not None and not head.facts.codings
        kept = self._parser.should_keep_alive() and not self._head_only
        return delimited and kept and head.status >= 200 and head.status not in BODILESS

    def on_body(self, body: bytes) -> None:
        """Hand a piece over."""
        self._between_chunks = False
        self._unheard_bytes = 0
        if self._sink is not None and not self._complete:
            self._sink.upstream_chunk(body)

    def on_chunk_header(self) -> None:
        """Note that the parser is within a chunk."""
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        """Note that a chunk has ended, so that the next may be read without the parser."""
        self._between_chunks = True

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


def _kept_seconds(facts: Facts) -> float:
    return FOR_EVER if facts.idle_seconds is None else facts.idle_seconds - IDLE_MARGIN_SECONDS
