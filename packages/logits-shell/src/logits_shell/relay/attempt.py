"""One attempt at one upstream: connect, send, hear the answer, and release what was reserved once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Protocol

from logits_shell.relay import framing
from logits_shell.relay.policy import (
    ExchangeObserver,
    Failure,
    FailureKind,
    Forward,
    Headers,
    Outcome,
    OutcomeKind,
    PassiveObserver,
    Refusal,
    RelayOptions,
    RequestHead,
)
from logits_shell.relay.pool import UnreachableError, UpstreamPool
from logits_shell.relay.request_body import RequestBody
from logits_shell.relay.response import Response
from logits_shell.relay.upstream import UpstreamConnection


class AttemptOwner(Protocol):
    """The exchange that an attempt belongs to."""

    head: RequestHead
    body: RequestBody
    response: Response
    options: RelayOptions
    pool: UpstreamPool

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run `work` in a task that the process waits for when it drains."""
        ...

    def request_sent(self) -> None:
        """Hear that the request is on its way."""
        ...

    def answer_started(self, headers: Headers) -> None:
        """Hear that the upstream's head was written to the client."""
        ...

    def touched(self) -> None:
        """Hear that the upstream spoke."""
        ...

    def upstream_writable(self, writable: bool) -> None:
        """Hear that the upstream takes request bytes again, or doesn't."""
        ...

    def answer_complete(self) -> None:
        """Hear that the whole answer was handed to the response."""
        ...

    def crashed(self, error: Exception) -> None:
        """Hear that the app's own decision can't be carried out."""
        ...

    def replaced(self, decision: Forward | Refusal) -> None:
        """Hear what shall be done in place of the answer of this attempt, which has ended."""
        ...

    def failed(self, failure: Failure, answer: Forward | Refusal | bytes | None, started: bool) -> None:
        """Hear that this attempt failed and ended, and what the observer wants to be said."""
        ...


class Attempt:
    """Relays one request to `forward.upstream`; implements `ResponseSink`.

    Every way out goes through `_end`, which calls the observer's `on_end` exactly once.
    """

    def __init__(self, owner: AttemptOwner, forward: Forward) -> None:
        self.forward = forward
        self._owner = owner
        self._observer: ExchangeObserver = forward.observer or PassiveObserver()
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._retried_stale = False
        self._status: int | None = None
        self._headers: Headers = ()
        self._relaying = False
        self._captured: list[bytes] | None = None
        self._captured_size = 0

    def start(self) -> None:
        """Send the request over an idle connection, or open one."""
        connection = self._owner.pool.idle(self.forward.upstream)
        if connection is not None:
            self._attach(connection)
        else:
            self._task = self._owner.spawn(self._connect())

    async def _connect(self) -> None:
        try:
            seconds = self._owner.options.connect_seconds
            connection = await self._owner.pool.connect(self.forward.upstream, seconds)
        except UnreachableError as error:
            self._task = None
            self._fail(error.kind)
            return
        self._task = None
        if connection.usable:
            self._attach(connection)
        else:
            self._fail(FailureKind.CLOSED)

    def _attach(self, connection: UpstreamConnection) -> None:
        head, body, forward = self._owner.head, self._owner.body, self.forward
        trusted = self._owner.options.trust_forwarded
        fields = framing.request_fields(head, forward.headers, drop=forward.drop, trust_forwarded=trusted)
        method = forward.method or head.method
        try:
            raw = framing.request_head(method, forward.target, fields, body.framing_fields(forward.body))
        except ValueError as error:
            connection.abort()
            self._end(Outcome(OutcomeKind.DISCARDED))
            self._owner.crashed(error)
            return
        self._connection = connection
        connection.begin(self, head_only=method == "HEAD")
        body.attach(connection, raw, forward.body)
        self._owner.request_sent()

    # -- ResponseSink --------------------------------------------------------------------------------------

    def upstream_head(self, status: int, headers: Headers) -> None:
        """Pass the head on, or capture the body of an error that may be replaced."""
        self._status = status
        self._headers = headers
        committed = self._owner.response.started
        is_events = dict(headers).get(b"content-type", b"").startswith(b"text/event-stream")
        replaceable = status >= 400 and self.forward.rewrite_error is not None
        if replaceable or (committed and (status >= 400 or not is_events)):
            self._captured = []
        else:
            self._begin_answer()

    def _begin_answer(self) -> None:
        status, headers = self._status or 502, self._headers
        rewritten = self._observer.on_head(status, headers)
        if not self._owner.response.started:
            self._owner.response.start(status, headers if rewritten is None else rewritten)
        self._relaying = True
        self._owner.answer_started(headers)

    def upstream_chunk(self, chunk: bytes) -> None:
        """Pass a piece on as the observer wants it."""
        if self._captured is not None:
            self._capture(self._captured, chunk)
            return
        transformed = self._observer.on_chunk(chunk)
        self._owner.response.piece(chunk if transformed is None else transformed)

    def _capture(self, captured: list[bytes], chunk: bytes) -> None:
        self._captured_size += len(chunk)
        small = self._captured_size <= self._owner.options.error_bytes
        if small or not self._owner.response.started:
            captured.append(chunk)
        if not small and not self._owner.response.started:
            self._captured = None
            self._begin_answer()
            for piece in captured:
                self.upstream_chunk(piece)

    def upstream_flush(self) -> None:
        """Let go of what one read brought."""
        self._owner.response.flush()
        self._owner.touched()

    def upstream_complete(self) -> None:
        """End the attempt; an error that was captured is replaced if the app has something better."""
        self._connection = None
        if self._captured is not None:
            self._replace()
            return
        tail = self._end(Outcome(OutcomeKind.COMPLETE, self._status))
        if tail:
            self._owner.response.piece(tail)
        self._owner.answer_complete()

    def _replace(self) -> None:
        body = b"".join(self._captured or ())
        status = self._status or 502
        rewrite = self.forward.rewrite_error
        decision = rewrite(status, self._headers, body) if rewrite is not None else None
        if decision is None:
            self._end(Outcome(OutcomeKind.COMPLETE, status))
            self._owner.replaced(Refusal(status, body, self._headers))
        else:
            self._end(Outcome(OutcomeKind.DISCARDED, status))
            self._owner.replaced(decision)

    def upstream_lost(self, kind: FailureKind) -> None:
        """Try a stale pooled connection's request once more on a new one; fail otherwise."""
        connection, self._connection = self._connection, None
        self._owner.body.detach()
        stale = connection is not None and connection.reused and not connection.heard
        if stale and kind is FailureKind.CLOSED and not self._retried_stale and self._owner.body.replayable:
            self._retried_stale = True
            self._task = self._owner.spawn(self._connect())
        else:
            self._fail(kind)

    def upstream_writable(self, writable: bool) -> None:
        """Pass back-pressure to the client."""
        self._owner.upstream_writable(writable)

    # -- the exchange's side -------------------------------------------------------------------------------

    def pause(self, paused: bool) -> None:
        """Stop or resume reading from the upstream because the client is slow or ready again."""
        if self._connection is not None:
            if paused:
                self._connection.pause_reading()
            else:
                self._connection.resume_reading()

    def give_up(self, kind: FailureKind) -> None:
        """Fail this attempt from outside: a deadline passed or the process stops."""
        self._fail(kind)

    def abandon(self) -> None:
        """Drop everything at once: the client has left."""
        self._release_connection()
        self._end(Outcome(OutcomeKind.CLIENT_GONE, self._status))

    def _fail(self, kind: FailureKind) -> None:
        self._release_connection()
        if self._ended:
            return
        replayable = not self._relaying and self._owner.body.replayable
        failure = Failure(kind, self.forward.upstream, replayable)
        answer = self._observer.on_failure(failure, self._relaying)
        self._end(Outcome(OutcomeKind.UPSTREAM_FAILED, self._status, failure))
        self._owner.failed(failure, answer, self._relaying)

    def _release_connection(self) -> None:
        self._owner.body.detach()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _end(self, outcome: Outcome) -> bytes | None:
        if self._ended:
            return None
        self._ended = True
        return self._observer.on_end(outcome)
