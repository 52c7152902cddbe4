"""What the API Server watches in one attempt at an LLM Server: its place, its events, its end."""

from __future__ import annotations

from typing import Protocol

from logits_api_server.demand import Ticket
from logits_core.routing import Reservation, Verdict
from logits_core.wire import DONE, EventBoundary, data_event, envelope, normalised
from logits_shell.relay import Failure, FailureKind, Forward, Headers, Outcome, OutcomeKind, Refusal

_FAILED_BEFORE = "The LLM Server that had this request failed before it answered. Send the request again."
_FAILED_WITHIN = "The LLM Server failed in the middle of this answer. What came before is incomplete."
_STOPPING = "The API Server is stopping in the middle of this answer. What came before is incomplete."
_STOPPED = "The API Server is stopping. Send the request again."
_TIMED_OUT = frozenset({FailureKind.FIRST_BYTE_TIMEOUT, FailureKind.IDLE_TIMEOUT, FailureKind.CONNECT_TIMEOUT})


class Desk(Protocol):
    """The part of the policy that attempts report back to."""

    def again(self, attempt: Attempt) -> Forward | None:
        """Return the same request for another LLM Server, if there is one that hasn't been tried."""
        ...

    def first_byte(self, attempt: Attempt) -> None:
        """Hear that the LLM Server has begun to answer."""
        ...

    def release(self, attempt: Attempt, verdict: Verdict, outcome: Outcome) -> None:
        """Hear that the attempt is over."""
        ...


class Attempt:
    """One request at one LLM Server; an `ExchangeObserver`.

    Attributes:
        reservation: The place that is released at the end.
        ticket: The request's line in the demand ledger; ends with the last attempt.
        tried: Ids of the endpoints that have had this request, this one included.
        target: What is asked for upstream.
        sent_at: Clock of the decision, seconds.
    """

    def __init__(
        self,
        desk: Desk,
        reservation: Reservation,
        ticket: Ticket,
        *,
        tried: frozenset[str],
        target: str,
        sent_at: float,
    ) -> None:
        self.reservation = reservation
        self.ticket = ticket
        self.tried = tried | {reservation.endpoint.id}
        self.target = target
        self.sent_at = sent_at
        self._desk = desk
        self._events: EventBoundary | None = None
        self._handed_on = False

    def on_head(self, status: int, headers: Headers) -> Headers | None:
        """Note whether events follow."""
        self._desk.first_byte(self)
        if any(n == b"content-type" and v.startswith(b"text/event-stream") for n, v in headers):
            self._events = EventBoundary()
            return tuple(field for field in headers if field[0] != b"content-length")
        return None

    def on_chunk(self, chunk: bytes) -> bytes | None:
        """Pass whole events on, so that an error event never lands inside another."""
        return None if self._events is None else self._events.feed(chunk)

    def on_failure(self, failure: Failure, started: bool) -> Forward | Refusal | bytes | None:
        """Try another LLM Server before the first byte; say in-band what happened after it."""
        stopping = failure.kind is FailureKind.DRAINED
        if started:
            return None if self._events is None else self._closing(self._events, stopping)
        if failure.replayable and not stopping:
            forward = self._again()
            if forward is not None:
                return forward
        status = 503 if stopping else 504 if failure.kind in _TIMED_OUT else 502
        code = "stopping" if stopping else "upstream_failed"
        body = envelope(_STOPPED if stopping else _FAILED_BEFORE, "server_error", code=code)
        return Refusal(status, body, ((b"content-type", b"application/json"), (b"retry-after", b"1")))

    def _closing(self, events: EventBoundary, stopping: bool) -> bytes:
        # The unfinished event is dropped; one that was too long to hold back is ended first.
        separator = b"" if events.at_boundary else b"\n\n"
        message = _STOPPING if stopping else _FAILED_WITHIN
        return separator + data_event(envelope(message, "server_error", code="upstream_failed")) + DONE

    def _again(self) -> Forward | None:
        forward = self._desk.again(self)
        self._handed_on = forward is not None
        return forward

    def rewrite_error(self, status: int, headers: Headers, body: bytes) -> Forward | Refusal | None:
        """Try another LLM Server when this one is not ready; put other errors into the envelope."""
        if status in {502, 503, 504}:
            forward = self._again()
            if forward is not None:
                return forward
        kept = tuple(field for field in headers if field[0] in {b"retry-after", b"x-should-retry"})
        return Refusal(status, normalised(status, body), ((b"content-type", b"application/json"), *kept))

    def on_end(self, outcome: Outcome) -> bytes | None:
        """Release the place; the demand ends with the last attempt."""
        self._desk.release(self, _verdict(outcome), outcome)
        if not self._handed_on:
            self.ticket.ended()
        if outcome.kind is OutcomeKind.COMPLETE and self._events is not None:
            return self._events.rest()
        return None


def _verdict(outcome: Outcome) -> Verdict:
    if outcome.kind is OutcomeKind.UPSTREAM_FAILED:
        drained = outcome.failure is not None and outcome.failure.kind is FailureKind.DRAINED
        return Verdict.UNKNOWN if drained else Verdict.BAD
    if outcome.status is None or outcome.kind is OutcomeKind.CLIENT_GONE:
        return Verdict.UNKNOWN
    return Verdict.BAD if outcome.status >= 500 else Verdict.GOOD
