"""What the API Server watches in one attempt at an LLM Server: its place, its events, its usage, its end."""

from __future__ import annotations

from typing import Protocol

from logits_api_server.answers import JSON, identity_fields, retry_fields
from logits_api_server.call import Call
from logits_api_server.opening import EXPLAIN
from logits_core.routing import Explanation, Reservation, Usage, Verdict
from logits_core.wire import EventBoundary, UsageReader, UsageStripper, closing_in, engine_error_in, failure_in
from logits_shell.relay import (
    Failure,
    FailureKind,
    Forward,
    Headers,
    Later,
    Outcome,
    OutcomeKind,
    Refusal,
    field_lines,
)

_FAILED_BEFORE = "The LLM Server that had this request failed before it answered. Send the request again."
_TOO_LATE = "The LLM Server that had this request did not answer in time."
_FAILED_WITHIN = "The LLM Server failed in the middle of this answer. What came before is incomplete."
_STOPPING = "The API Server is stopping in the middle of this answer. What came before is incomplete."
_STOPPED = "The API Server is stopping. Send the request again."
_TIMED_OUT = frozenset({FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.IDLE_TIMEOUT, FailureKind.CONNECT_TIMEOUT})
_FINAL = frozenset({FailureKind.DRAINED, FailureKind.FIRST_BYTE_TIMEOUT})
"""Failures after which another attempt would only cost the same again."""
_NEVER_TAKEN = frozenset({FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT})
ENGINE_FAILED = b'"engine_failed"'
"""How an LLM Server says that its engine broke while it had the request."""
_AWAY = frozenset({502, 503, 504})
_TOLD = 8
"""Endpoints whose costs are told."""
_KEPT = frozenset({b"retry-after", b"x-should-retry"})


class Desk(Protocol):
    """The part of the policy that attempts report back to."""

    def again(self, attempt: Attempt, *, died: bool) -> Forward | Later | None:
        """Return the same request for another LLM Server, or for this one once it's back.

        Args:
            attempt: That failed before its first byte.
            died: Whether the LLM Server had taken the request and then broke.
        """
        ...

    def not_offered(self, attempt: Attempt, status: int, body: bytes) -> Refusal | Forward | None:
        """Return what to say when the engine doesn't know what it's asked for, None when it does."""
        ...

    def began(self, attempt: Attempt, now: float) -> None:
        """Hear that the LLM Server has begun to answer."""
        ...

    def answered(self, attempt: Attempt, piece: bytes) -> bool:
        """See the beginning of an answer until it returns True."""
        ...

    def release(self, attempt: Attempt, verdict: Verdict, outcome: Outcome, usage: Usage | None) -> None:
        """Hear that the attempt is over."""
        ...


class Attempt:
    """One call at one LLM Server; an `ExchangeObserver`.

    Attributes:
        call: Whose.
        reservation: The place that is released at the end.
        sent_at: Clock of the decision, seconds.
    """

    __slots__ = (
        "_boundary", "_curious", "_desk", "_events", "_next", "_stripper", "_usage", "call", "reservation", "sent_at",
    )  # fmt: skip

    def __init__(self, desk: Desk, call: Call, reservation: Reservation, *, sent_at: float, curious: bool) -> None:
        self.call = call
        self.reservation = reservation
        self.sent_at = sent_at
        self._desk = desk
        self._usage = UsageReader()
        self._boundary: EventBoundary | None = None
        self._stripper: UsageStripper | None = None
        self._events = 0
        self._curious = curious
        self._next: Forward | Later | None = None

    def on_head(self, status: int, headers: Headers, events: bool) -> bytes:
        """Note whether events follow, and add what clients expect of an inference API."""
        call = self.call
        if events:
            self._boundary = EventBoundary()
            if call.body is not None:
                self._stripper = UsageStripper(self._usage)
        lines = self._began()
        if call.opening.explain:
            lines += field_lines(((EXPLAIN, _route(self.reservation, call.explained)),))
        return lines

    def _began(self) -> bytes:
        call = self.call
        now = call.books.clock()
        self._desk.began(self, now)
        lines = b"openai-processing-ms: %d\r\n%b" % ((now - call.started) * 1000 + 0.5, call.caller.lines(now))
        return lines + field_lines(identity_fields(call.head)) if call.opening.anthropic else lines

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """Pass whole events on, so that an error event never lands inside another; find the usage."""
        if self._curious:
            self._curious = not self._desk.answered(self, chunk)
        if self._boundary is None:
            self._usage.piece(chunk)
            return None
        events = self._boundary.feed(chunk)
        self._events += events.count(b"\n\n")
        stripper = self._stripper
        if stripper is not None:
            return stripper.feed(events)
        self._usage.events(events)
        return events

    def on_failure(self, failure: Failure, started: bool) -> Forward | Refusal | Later | bytes | None:
        """Try again before the first byte; say in-band what happened after it."""
        stopping = failure.kind is FailureKind.DRAINED
        if started:
            return None if self._boundary is None else self._closing(self._boundary, stopping)
        if failure.replayable and failure.kind not in _FINAL:
            self._next = self._desk.again(self, died=failure.kind not in _NEVER_TAKEN)
            if self._next is not None:
                return self._next
        late = failure.kind in _TIMED_OUT
        status = 503 if stopping else 504 if late else 502
        message = _STOPPED if stopping else _TOO_LATE if late else _FAILED_BEFORE
        code = "stopping" if stopping else "upstream_timeout" if late else "upstream_failed"
        call = self.call
        body = failure_in(call.opening.operation.dialect, status, message, code, call.head.request_id)
        return Refusal(status, body, (JSON, *identity_fields(call.head), *retry_fields(1, None)))

    def _closing(self, boundary: EventBoundary, stopping: bool) -> bytes:
        # The unfinished event is dropped; one that was too long to hold back is ended first.
        separator = b"" if boundary.at_boundary else b"\n\n"
        held = self._stripper.rest() if self._stripper is not None else b""
        message = _STOPPING if stopping else _FAILED_WITHIN
        dialect = self.call.opening.operation.dialect
        body = failure_in(dialect, 502, message, "upstream_failed", self.call.head.request_id)
        return held + separator + closing_in(dialect, body)

    def rewrite_error(self, status: int, headers: Headers, body: bytes) -> Forward | Refusal | Later | None:
        """Try again when this LLM Server is not ready; put other errors into the dialect's envelope."""
        if status in _AWAY:
            self._next = self._desk.again(self, died=status != 503 or ENGINE_FAILED in body)
            if self._next is not None:
                return self._next
        instead = self._desk.not_offered(self, status, body)
        if instead is not None:
            self._next = instead if isinstance(instead, Forward) else None
            return instead
        kept = tuple(field for field in headers if field[0] in _KEPT)
        call = self.call
        dressed = engine_error_in(call.opening.operation.dialect, status, body, call.head.request_id)
        return Refusal(status, dressed, (JSON, *kept), self._began())

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Release the place; the call ends with its last attempt."""
        tail = self._tail() if outcome.kind is OutcomeKind.COMPLETE else None
        told = self._usage.finish()
        self._desk.release(self, _verdict(outcome), outcome, told)
        if isinstance(self._next, Later):
            self.call.suspend()
        elif self._next is None:
            failed = outcome.kind is OutcomeKind.UPSTREAM_FAILED or (outcome.status or 0) >= 400
            self.call.end(told, self._events, failed=failed, aborted=outcome.kind is OutcomeKind.CLIENT_GONE)
        return tail

    def _tail(self) -> bytes | None:
        if self._boundary is None:
            return None
        rest = self._boundary.rest()
        if self._stripper is not None:
            return self._stripper.feed(rest) + self._stripper.rest()
        self._usage.events(rest)
        return rest


def _verdict(outcome: Outcome) -> Verdict:
    if outcome.kind is OutcomeKind.UPSTREAM_FAILED:
        drained = outcome.failure is not None and outcome.failure.kind is FailureKind.DRAINED
        return Verdict.UNKNOWN if drained else Verdict.BAD
    if outcome.status is None or outcome.kind is OutcomeKind.CLIENT_GONE:
        return Verdict.UNKNOWN
    # 501 is how llama.cpp says that a model can't do something; the server itself is well.
    return Verdict.BAD if outcome.status >= 500 and outcome.status != 501 else Verdict.GOOD


def _route(reservation: Reservation, explained: Explanation | None) -> bytes:
    words = f"endpoint={reservation.endpoint.id}; reason={reservation.reason.name.lower()}"
    words += f"; cached-tokens={reservation.cached_tokens}"
    costs = [f"{score.endpoint}={score.seconds * 1000:.1f}" for score in explained.scores[:_TOLD]] if explained else []
    return (f"{words}; costs-ms={','.join(costs)}" if costs else words).encode("latin-1", "replace")
