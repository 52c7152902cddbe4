"""The server side: one client connection whose relayed requests bypass the ASGI application."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Coroutine
from typing import ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from logits_shell.relay import framing
from logits_shell.relay.deadlines import Deadline
from logits_shell.relay.exchange import Exchange
from logits_shell.relay.policy import Rejection, RelayOptions, RelayPolicy, RequestHead
from logits_shell.relay.pool import UpstreamPool
from logits_shell.relay.rejections import BAD_FRAMING, HEAD_TOO_LARGE, HEAD_TOO_SLOW, TOO_MANY_CONNECTIONS
from logits_shell.relay.response import Response

LINGER_SECONDS = 2.0
"""How long bytes that nobody wants are read after an early answer, so that a reset doesn't erase it."""

PIPELINE = 8
"""Most relayed requests that wait behind another one on the same connection."""


class RelayProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with strict heads, deadlines, and relayed paths taken out.

    A connection may carry relayed and other requests one after the other. Relayed requests may be
    pipelined; a pipelined change between the two kinds ends the connection after the response in progress,
    and the client sends the rest again on another one, as HTTP/1.1 asks it to.
    """

    policy: ClassVar[RelayPolicy]
    pool: ClassVar[UpstreamPool]
    options: ClassVar[RelayOptions]
    parser: httptools.HttpRequestParser  # pyright: ignore[reportIncompatibleVariableOverride]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up the connection, or refuse it when too many are open."""
        super().connection_made(transport)
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._receiving: Exchange | None = None
        self._in_head = False
        self._head_bytes = self._field_bytes = 0
        self._deaf = False
        self._last_message = False
        self._rejection: Rejection | None = None
        self._deadline = Deadline(self.loop, self._deadline_passed)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if len(self.connections) > self.options.connections:
            self._reject(TOO_MANY_CONNECTIONS)
        else:
            self._deadline.set(self.loop.time() + self.options.head_seconds)

    # -- bytes in ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse what isn't a request."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if not self._in_head and self._current is None and not self._asgi_busy():
            self._deadline.set(self.loop.time() + self.options.head_seconds)
        self._parse(data)
        if self._in_head:
            # The parser gathers an unfinished field without telling, so what was read counts.
            self._head_bytes += len(data)
            if self._head_bytes > self.options.head_bytes:
                self._reject(HEAD_TOO_LARGE)

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
        rejection, self._rejection = self._rejection, None
        if rejection is None:
            self.loop.call_exception_handler(
                {"message": "a request could not be taken in", "exception": error.__context__ or error}
            )
            rejection = BAD_FRAMING
        self._reject(rejection)

    def on_message_begin(self) -> None:
        """Start a head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._field_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        super().on_url(url)
        self._field_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field; trailers, which come after the head, are dropped."""
        if self._in_head:
            super().on_header(name, value)
            self._field_bytes += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        """Check the head and hand the request to the relay or to the ASGI application."""
        self._in_head = False
        self._receiving = None
        if self._last_message or self._deaf:
            self._deaf = True
            return
        head = self._request_head()
        rejection = framing.check_head(head, self.url, self.options.header_count)
        if rejection is None and self._field_bytes > self.options.head_bytes:
            rejection = HEAD_TOO_LARGE
        if rejection is not None:
            self._rejection = rejection
            raise ValueError(rejection.reason)
        if not self.parser.should_keep_alive():
            self._last_message = True
        if self.policy.relays(head.method, head.path):
            self._relay(head)
        else:
            self._serve()

    def _request_head(self) -> RequestHead:
        target = self.url.decode("latin-1")
        headers = tuple(self.headers)
        new_id = self.options.new_request_id
        return RequestHead(
            method=self.parser.get_method().decode("ascii"),
            target=target,
            path=target.partition("?")[0],
            headers=headers,
            http_version=self.parser.get_http_version(),
            client=self.client[0] if self.client else "",
            request_id=(framing.request_id(headers) or new_id()) if new_id is not None else "",
        )

    def _relay(self, head: RequestHead) -> None:
        if self._asgi_busy() or len(self._waiting) >= PIPELINE:
            self._close_after_response()
            return
        exchange = Exchange(
            head,
            self,
            policy=self.policy,
            pool=self.pool,
            options=self.options,
            keep_alive=self.parser.should_keep_alive(),
        )
        self._receiving = exchange
        if self._current is None:
            self._current = exchange
            exchange.start()
        else:
            self._waiting.append(exchange)

    def _serve(self) -> None:
        if self._current is not None:
            self._close_after_response()
            return
        self._deadline.set(None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the request body to whoever serves the request."""
        if self._receiving is not None:
            self._receiving.body_data(body)
        elif not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Pass the end of the request on."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.body_end()
        elif not self._deaf:
            super().on_message_complete()

    # -- the exchange's view (ClientSide) --------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self.transport.write(data)

    def hold_reading(self, held: bool) -> None:
        """Stop or resume reading from the client."""
        if held:
            self.flow.pause_reading()
        elif not self.transport.is_closing():
            self.flow.resume_reading()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the server waits for when it drains."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def set_deadline(self, at: float | None) -> None:
        """Move the connection's one deadline."""
        self._deadline.set(at)

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
                self.transport.close()
            return
        self.hold_reading(False)
        if self._waiting:
            self._current = self._waiting.popleft()
            self._current.start()
        else:
            self._deadline.set(self.loop.time() + self.options.keep_alive_seconds)

    def abort(self) -> None:
        """Break the connection."""
        self._current = None
        self.transport.abort()

    # -- ends ------------------------------------------------------------------------------------------------

    def _asgi_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _close_after_response(self) -> None:
        """Hear nothing more; the response in progress is the last."""
        self._deaf = True
        last = self._waiting[-1] if self._waiting else self._current
        if last is not None:
            last.drain()
        elif self._asgi_busy():
            self.cycle.keep_alive = False
        else:
            self._linger()

    def _reject(self, rejection: Rejection) -> None:
        """Refuse bytes that aren't a request; responses in progress come first."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None and receiving is self._current:
            self._deaf = True
            receiving.drain()
            receiving.client_failed(rejection)
        elif receiving in self._waiting:
            # It never had its turn; the response in progress is the last one.
            self._waiting.remove(receiving)
            self._close_after_response()
        elif receiving is not None:
            # It was answered early and these are the rest of its body.
            self._deaf = True
        elif self._current is not None or (self._asgi_busy() and not self.cycle.more_body):
            self._close_after_response()
        elif self._asgi_busy() and self.cycle.response_started:
            self.transport.abort()
        else:
            self._answer(rejection)

    def _answer(self, rejection: Rejection) -> None:
        refusal = self.options.reject(rejection, None)
        new_id = self.options.new_request_id
        identity = ((framing.REQUEST_ID, new_id().encode("ascii")),) if new_id is not None else ()
        response = Response(self, head_only=False, http_version="1.1", keep_alive=False, always=identity)
        response.start(refusal.status, (*refusal.headers, (b"content-length", b"%d" % len(refusal.body))))
        response.piece(refusal.body)
        response.finish()
        self._linger()

    def _linger(self) -> None:
        """Send everything, say goodbye, and read on for a moment before closing."""
        self._deaf = True
        if self._asgi_busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline.set(self.loop.time() + LINGER_SECONDS)

    def _deadline_passed(self) -> None:
        if self._current is not None:
            self._current.deadline_passed()
        elif self._in_head and not self._deaf:
            self._reject(HEAD_TOO_SLOW)
        elif self._deaf:
            self.transport.abort()
        else:
            self.transport.close()

    def eof_received(self) -> None:
        """Take a client's FIN as leaving: nobody waits for the answer."""
        self._drop_exchanges()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what was in progress."""
        self._deadline.cancel()
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


def relay_protocol(
    policy: RelayPolicy, pool: UpstreamPool, *, options: RelayOptions | None = None
) -> type[RelayProtocol]:
    """Make the protocol class to pass to `logits_shell.serve.serve(protocol=...)`.

    Args:
        policy: Decides where requests go.
        pool: Upstream connections; the caller closes it after serving.
        options: Bounds and deadlines.
    """
    return type(
        "BoundRelayProtocol",
        (RelayProtocol,),
        {"policy": policy, "pool": pool, "options": options or RelayOptions()},
    )
