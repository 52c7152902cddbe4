"""The server side: one client connection whose relayed requests bypass the ASGI application."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import ClassVar

import httptools

from logits_shell.relay import framing
from logits_shell.relay.application import ApplicationProtocol
from logits_shell.relay.exchange import Exchange
from logits_shell.relay.familiar import Familiar, Outline
from logits_shell.relay.framing import Facts
from logits_shell.relay.heads import FirstHop
from logits_shell.relay.intake import Known, RejectedError, check_size, take_head, taken_again
from logits_shell.relay.options import Rejection, RelayOptions
from logits_shell.relay.policy import RelayPolicy, RequestHead
from logits_shell.relay.pool import UpstreamPool
from logits_shell.relay.rejections import (
    BAD_FRAMING,
    CLIENT_TOO_SLOW,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    TOO_MANY_CONNECTIONS,
)
from logits_shell.relay.response import Response
from logits_shell.relay.watch import Watch

PIPELINE = 8
"""Most relayed requests that wait behind another one on the same connection."""


class RelayProtocol(ApplicationProtocol):
    """Uvicorn's protocol with strict heads, deadlines, and relayed paths taken out.

    A connection may carry relayed and other requests one after the other. Relayed requests may be
    pipelined; a pipelined change between the two kinds ends the connection after the response in progress,
    and the client sends the rest again on another one, as HTTP/1.1 asks it to.
    """

    policy: ClassVar[RelayPolicy]
    pool: ClassVar[UpstreamPool]
    options: ClassVar[RelayOptions]
    familiar: ClassVar[Familiar[Known]]
    shows_life: ClassVar[bool]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up the connection, or refuse it when too many are open."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.first_hop = None if self.options.trust_forwarded else FirstHop(self._address, self.scheme or "http")
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._in_head = self._in_message = False
        self._outline: Outline | None = None
        self._rest = 0
        self._unheard_bytes = self._overhead_left = 0
        self._linger_until = 0.0
        self._deaf = self._last_message = self._asgi_body = False
        self.deadline = Watch(self.loop, self.options, self._deadline_passed)
        self.write: Callable[[bytes], None] = transport.write
        if len(self.connections) > self.options.connections:
            self._reject(TOO_MANY_CONNECTIONS)
        else:
            self.deadline.set(self.loop.time() + self.options.head_seconds)

    # -- bytes in ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take in what came, refuse what isn't a request, and begin what is."""
        if self._deaf:
            if self._linger_until:
                self.deadline.set(min(self.loop.time() + self.options.linger_seconds, self._linger_until))
        elif self._rest:
            self._take(data)
        elif not self._recalled(data):
            self._unset_keepalive_if_required()
            in_head = self._in_head
            self._unheard_bytes += len(data)
            self._overhead_left -= len(data)
            self._parse(data)
            # Begun only now, so that a body that came with its head leaves with it.
            current = self._current
            if current is not None and not current.begun:
                current.start()
            if self._in_head and not in_head and self._current is None and not self.application_busy():
                self.deadline.set(self.loop.time() + self.options.head_seconds)
            if (self._unheard_bytes > self.options.head_bytes or self._overhead_left < 0) and not self._deaf:
                self._check_waste()

    def _recalled(self, data: bytes) -> bool:
        """Begin a request whose head is known; False, and nothing is done, for any other."""
        self._outline = None
        if self._in_message or self._current is not None or self.application_busy():
            return False
        found, known = self.familiar.recognise(data)
        if found is None or known is None:
            self._outline = found
            return False
        _, end, length = found
        self._unset_keepalive_if_required()
        head = taken_again(known, self.options, self._address)
        announced = None if known.facts.length is None else length
        self._current = exchange = Exchange(head, known.facts, self, length=announced, keep_alive=True)
        if len(data) == end + length:
            exchange.body.fill(data[end:])
        else:
            self._receiving, self._rest = exchange, length
            self._take(data[end:])
        exchange.start()
        return True

    def _take(self, data: bytes) -> None:
        """Pass on a piece of a body whose length is known; what comes after it's another request."""
        piece, behind = data[: self._rest], data[self._rest :]
        self._rest -= len(piece)
        if self._receiving is not None:
            self._receiving.body_data(piece)
            if not self._rest:
                self.on_message_complete()
        if behind:
            self.data_received(behind)

    def _check_waste(self) -> None:
        # The parser gathers an unfinished field, of a head or of trailers, without telling; and it takes
        # chunk extensions of any length. What was read and brought nothing counts.
        if self._in_head and self._unheard_bytes > self.options.head_bytes:
            self._reject(HEAD_TOO_LARGE)
        elif self._receiving is not None or self.application_receiving():
            self._reject(BAD_FRAMING)
        elif self._asgi_body:
            # The application has answered already; there is nobody to tell.
            self._close()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The offer to switch protocols is declined; what follows it can't be told from other bytes.
            self._close_after_response()
        except httptools.HttpParserCallbackError as error:
            self._callback_failed(error)
        except httptools.HttpParserError:
            self._in_head = False
            self._reject(BAD_FRAMING)

    def _callback_failed(self, error: Exception) -> None:
        cause = error.__context__
        rejection = BAD_FRAMING
        if isinstance(cause, RejectedError):
            rejection = cause.rejection
        else:
            message = "a request could not be taken in"
            self.loop.call_exception_handler({"message": message, "exception": cause or error})
        self._in_head = False
        self._reject(rejection)

    def on_message_begin(self) -> None:
        """Start a head."""
        self._in_message = True
        self.url = b""
        self.headers = []
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; trailers, which come after the head, are dropped."""
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head and hand the request to the relay or to the ASGI application."""
        self._in_head = False
        self._receiving = None
        found, self._outline = self._outline, None
        if self._last_message or self._deaf:
            self._deaf = True
            return
        headers, options = tuple(self.headers), self.options
        if self._unheard_bytes > options.head_bytes:
            check_size(self.url, headers, options.head_bytes)
        known = take_head(self.parser, self.url, headers, options=options, client=self._address)
        self._unheard_bytes = 0
        self._overhead_left = self.options.head_bytes
        keep_alive = self.parser.should_keep_alive()
        if not keep_alive:
            self._last_message = True
        head = known.head
        if self.policy.relays(head.method, head.path):
            if found is not None and keep_alive and not known.facts.codings and head.http_version == "1.1":
                self.familiar.learn(found, head.method.encode("ascii"), headers, known)
            self._relay(head, known.facts, keep_alive)
        else:
            self._serve(known.facts)

    def _relay(self, head: RequestHead, facts: Facts, keep_alive: bool) -> None:
        if self.application_busy() or len(self._waiting) >= PIPELINE:
            self._close_after_response()
            return
        exchange = Exchange(head, facts, self, length=facts.length, keep_alive=keep_alive)
        self._receiving = exchange
        if self._current is None:
            self._current = exchange
        else:
            self._waiting.append(exchange)

    def _serve(self, facts: Facts) -> None:
        if self._current is not None:
            self._close_after_response()
            return
        self._asgi_body = bool(facts.codings or facts.length)
        self.deadline.set(self.loop.time() + self.options.body_seconds if self._asgi_body else None)
        self.serve_application(continues=facts.expect is not None)

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the request body to whoever serves the request."""
        self._overhead_left += framing.CHUNK_OVERHEAD * len(body)
        receiving = self._receiving
        if receiving is not None:
            receiving.body_data(body)
        elif not self._deaf:
            self.deadline.set(self.loop.time() + self.options.body_seconds)
            super().on_body(body)
        self._unheard_bytes = 0

    def on_message_complete(self) -> None:
        """Pass the end of the request on."""
        receiving, self._receiving = self._receiving, None
        self._unheard_bytes = 0
        self._in_message = self._asgi_body = False
        if receiving is not None:
            receiving.body_end()
        elif not self._deaf:
            self.deadline.set(None)
            super().on_message_complete()

    # -- the exchange's view (ClientSide) --------------------------------------------------------------------

    def exchange_done(self, keep_alive: bool) -> None:
        """Go on with the next request, or close."""
        self.server_state.total_requests += 1
        done, self._current = self._current, None
        if self.transport.is_closing():
            return
        if not keep_alive:
            if done is not None and not done.body.complete:
                self._linger()
            else:
                self._close()
            return
        if self.flow.read_paused:
            self.hold_reading(False)
        if self._waiting:
            self._current = self._waiting.popleft()
            self._current.start()
        else:
            self.deadline.set(self.loop.time() + self.options.keep_alive_seconds)

    def abort(self) -> None:
        """Break the connection."""
        self._current = None
        self.transport.abort()

    # -- ends ------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Close once everything is sent, but don't wait for ever for a client that doesn't read."""
        self._deaf = True
        self.transport.close()
        self.deadline.set(self.loop.time() + self.options.write_seconds)

    def _close_after_response(self) -> None:
        """Hear nothing more; the response in progress is the last."""
        self._deaf = True
        last = self._waiting[-1] if self._waiting else self._current
        if last is not None:
            last.drain()
        elif self.application_busy():
            self.cycle.keep_alive = False
        else:
            self._linger()

    def _reject(self, rejection: Rejection) -> None:
        """Refuse bytes that aren't a request; responses in progress come first."""
        if self.options.on_reject is not None:
            self.options.on_reject(rejection, self._address)
        receiving, self._receiving = self._receiving, None
        if receiving is not None and receiving is self._current:
            self._deaf = True
            receiving.drain()
            receiving.client_failed(rejection)
        elif receiving is not None and receiving in self._waiting:
            # It never had its turn; the response in progress is the last one.
            self._waiting.remove(receiving)
            self._close_after_response()
        elif receiving is not None:
            # It was answered early and these are the rest of its body.
            self._deaf = True
        elif self._current is not None or (self.application_busy() and not self.cycle.more_body):
            self._close_after_response()
        elif self.application_busy() and self.cycle.response_started:
            self.transport.abort()
        else:
            self._answer(rejection)

    def _answer(self, rejection: Rejection) -> None:
        refusal = self.options.reject(rejection, None)
        new_id = self.options.new_request_id
        identity = "" if new_id is None else new_id()
        response = Response(self.write, head_only=False, http_version="1.1", keep_alive=False, request_id=identity)
        response.whole(refusal)
        response.finish()
        self._linger()

    def _linger(self) -> None:
        """Send everything, say goodbye, and read on for a moment before closing."""
        self._deaf = True
        self.hold_reading(False)
        self.leave_application()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # A reset, which unread bytes bring about, would erase the answer on its way.
        self._linger_until = self.loop.time() + self.options.linger_longest_seconds
        self.deadline.set(self.loop.time() + self.options.linger_seconds)

    def _deadline_passed(self) -> None:
        if self._current is not None:
            self._current.deadline_passed()
        elif self._deaf or self.transport.is_closing():
            self.transport.abort()
        elif self._in_head:
            self._reject(HEAD_TOO_SLOW)
        elif self.application_receiving():
            self._body_late()
        else:
            self._close()

    def _body_late(self) -> None:
        if self.flow.read_paused:
            # The application is slow, not the client.
            self.deadline.set(self.loop.time() + self.options.body_seconds)
        else:
            self._reject(CLIENT_TOO_SLOW)

    def eof_received(self) -> None:
        """Take a client's FIN as leaving: nobody waits for the answer."""
        self._drop_exchanges()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was in progress."""
        self.deadline.cancel()
        self._drop_exchanges()
        super().connection_lost(exc)

    def _drop_exchanges(self) -> None:
        dropped = [self._current, *self._waiting]
        self._current = None
        self._receiving = None
        self._deaf = True
        self._waiting.clear()
        for exchange in dropped:
            if exchange is not None:
                exchange.client_gone()

    def pause_writing(self) -> None:
        """Pass the client's back-pressure on."""
        super().pause_writing()
        if self._current is not None:
            self._current.client_writable(False)

    def resume_writing(self) -> None:
        """Lift the client's back-pressure."""
        super().resume_writing()
        if self._current is not None:
            self._current.client_writable(True)

    def shutdown(self) -> None:
        """Finish what is in flight, close the connection after it, and cut it off when time is up."""
        if self._current is None:
            super().shutdown()
            return
        self._close_after_response()
        seconds = self.config.timeout_graceful_shutdown
        if seconds is not None:
            self.loop.call_later(max(0.0, seconds - 0.5), self._cut)

    def _cut(self) -> None:
        for exchange in [self._current, *self._waiting]:
            if exchange is not None:
                exchange.cut()
