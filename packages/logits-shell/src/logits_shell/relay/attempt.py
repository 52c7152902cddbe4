"""One attempt at one upstream: connect, send, hear the answer, and release what was reserved once."""

from __future__ import annotations

import asyncio

from logits_shell.relay.framing import ResponseHead
from logits_shell.relay.heads import request_head
from logits_shell.relay.policy import (
    ExchangeObserver,
    Failure,
    FailureKind,
    Forward,
    Later,
    Outcome,
    OutcomeKind,
    PassiveObserver,
    Refusal,
)
from logits_shell.relay.pool import UnreachableError
from logits_shell.relay.ports import AttemptOwner
from logits_shell.relay.upstream import UpstreamConnection

_PASSIVE = PassiveObserver()


class Attempt:
    """Relays one request to `forward.upstream`; implements `ResponseSink`.

    Every way out goes through `_end`, which calls the observer's `on_end` exactly once.
    """

    __slots__ = (
        "_captured", "_captured_size", "_connection", "_ended", "_head", "_length", "_observer", "_owner",
        "_relaying", "_retried_stale", "_status", "_task", "forward",
    )  # fmt: skip

    def __init__(self, owner: AttemptOwner, forward: Forward) -> None:
        self.forward = forward
        self._owner = owner
        self._observer: ExchangeObserver = forward.observer or _PASSIVE
        self._connection: UpstreamConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._retried_stale = False
        self._status: int | None = None
        self._head: ResponseHead | None = None
        self._length: int | None = None
        self._relaying = False
        self._captured: list[bytes] | None = None
        self._captured_size = 0

    def start(self) -> None:
        """Send the request over an idle connection, or open one."""
        connection = self._owner.pool.idle(self.forward.upstream, fresh=not self._owner.body.stays_replayable)
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
        owner, forward = self._owner, self.forward
        try:
            framing = owner.body.framing_line(forward.body)
            raw = request_head(owner.head, owner.facts, forward, framing, owner.first_hop)
        except ValueError as error:
            connection.abort()
            self._end(Outcome(OutcomeKind.DISCARDED))
            owner.crashed(error)
            return
        self._connection = connection
        connection.begin(self, head_only=(forward.method or owner.head.method) == "HEAD")
        owner.body.attach(connection, raw, forward.body)
        owner.request_sent()

    # -- ResponseSink --------------------------------------------------------------------------------------

    def upstream_head(self, head: ResponseHead, length: int | None) -> None:
        """Pass the head on, or capture the body of an error that may be replaced."""
        self._head = head
        self._length = length
        self._status = status = head.status
        committed = self._owner.response.started
        replaceable = status >= 400 and self.forward.rewrite_error is not None
        if replaceable or (committed and (status >= 400 or not head.facts.events)):
            self._captured = []
        else:
            self._begin_answer(head, length)

    def _begin_answer(self, head: ResponseHead, length: int | None) -> None:
        owner, events = self._owner, head.facts.events
        added = self._observer.on_head(head.status, head.headers, events)
        response = owner.response
        if not response.started:
            if not owner.body.complete:
                # An answer before the body's end costs the connection, and the client must know.
                response.keep_alive = False
            response.start(head, None if events and self.forward.reshapes else length, added)
        self._relaying = True
        owner.answer_started(events)

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
        if not small and not self._owner.response.started and self._head is not None:
            self._captured = None
            self._begin_answer(self._head, self._length)
            for piece in captured:
                self.upstream_chunk(piece)

    def upstream_flush(self) -> None:
        """Let go of what one read brought."""
        owner = self._owner
        owner.response.flush()
        owner.watch.touched()

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
        head = self._head
        status, headers = (502, ()) if head is None else (head.status, head.headers)
        rewrite = self.forward.rewrite_error
        decision = rewrite(status, headers, body) if rewrite is not None else None
        if decision is None:
            self._end(Outcome(OutcomeKind.COMPLETE, status))
            self._owner.replaced(Refusal(status, body, headers))
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


def discard(decision: Forward | Later, kind: OutcomeKind) -> None:
    """End a decision that isn't followed; a `Later` that was never asked has reserved nothing."""
    if isinstance(decision, Forward) and decision.observer is not None:
        decision.observer.on_end(Outcome(kind))
