"""The relay policy of the API Server: a request's model decides which LLM Server gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, Final

from logits_api_server.answers import refusal
from logits_api_server.asking import prompt_of, read, with_usage
from logits_api_server.attempt import Attempt
from logits_api_server.call import Books, Call
from logits_api_server.callers import OPEN, Caller, Callers
from logits_api_server.catalog import Catalog, unsupported
from logits_api_server.metrics import Metrics
from logits_api_server.opening import EXPLAIN, Opening, opening_of
from logits_api_server.stored_responses import Maker, StoredResponses
from logits_api_server.waiting import Turn, WaitingRoom
from logits_core.errors import ErrorCode, LogitsError
from logits_core.routing import Reservation, Usage, Verdict
from logits_core.waiting import Place, RetryBudget
from logits_core.wire import (
    BodyForm,
    closing_in,
    error_members,
    normalised,
    operation_at,
    response_id,
    sign_of_life_in,
)
from logits_core.wire.surface import CREATE_RESPONSE
from logits_shell.counting import Count
from logits_shell.relay import (
    Decision,
    Forward,
    KeepAlive,
    Later,
    Outcome,
    OutcomeKind,
    Refusal,
    RequestHead,
    Upstream,
)

DROPPED: Final = frozenset({b"authorization", b"x-api-key", b"cookie", b"accept-encoding", EXPLAIN})
"""The client's fields that LLM Servers don't get: credentials aren't theirs, and answers must stay readable."""
NOT_FOUND: Final = 404
NO_SUCH_THING: Final = frozenset({405, 501})
"""How engines say that they, or their model, can't do what they are asked for; 404 says more than one thing."""
ATTEMPTS: Final = 3
"""Most LLM Servers that one request is tried at without a pause."""
DEATHS: Final = 2
"""LLM Servers that may break with one request in their hands before it isn't tried again: it may be the cause."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0


class InferencePolicy:
    """Decides for every inference request; a `WaitingPolicy` and the `Desk` of its attempts.

    Args:
        catalog: Which models there are.
        callers: Who may call them.
        waiting: Where requests wait for a place.
        books: Where they are counted.
        metrics: Counts for operators.
        body_limit: Largest body, bytes.
        waiting_seconds: Longest wait.
    """

    def __init__(
        self,
        catalog: Catalog,
        callers: Callers,
        waiting: WaitingRoom,
        books: Books,
        *,
        metrics: Metrics,
        body_limit: int,
        waiting_seconds: float,
    ) -> None:
        self._catalog = catalog
        self._callers = callers
        self._waiting = waiting
        self._books = books
        self._metrics = metrics
        self._body_limit = body_limit
        self._waiting_seconds = waiting_seconds
        self._router = books.router
        self._retries = RetryBudget()
        self._stored = StoredResponses()
        self._ended: dict[tuple[OutcomeKind, int | None], Count] = {}

    def relays(self, method: str, path: str) -> bool:
        """Take the operations that engines have."""
        return operation_at(method, path) is not None

    def wants_body(self, head: RequestHead) -> int | None:
        """The model is in the body, so the whole body is needed."""
        return self._body_limit

    def decide(self, head: RequestHead, body: bytes | None) -> Decision | Coroutine[Any, Any, Decision]:
        """Find the model and send the request there, at once or when there is a place."""
        caller = OPEN
        try:
            opening = opening_of(head, self._callers)
            caller = opening.identity.caller
            if opening.operation.body is BodyForm.NONE:
                return self._ask_maker(head, opening, caller)
            call = self._call(head, opening, body or b"")
            call.enter()
            self._retries.request()
            reservation = self._waiting.reserve_now(call.model, call.claim_now)
            if isinstance(reservation, Reservation):
                return self._forward(call, reservation, call.started)
            # A coroutine that is never started frees nothing, so it's the one that enters.
            call.suspend()
            return self._place(call)
        except LogitsError as error:
            return self._refused(error, head, caller)

    def _call(self, head: RequestHead, opening: Opening, body: bytes) -> Call:
        request = read(head, opening, body)
        model, grant = request.model, opening.identity.caller.grant
        grant.require(model)
        self._catalog.require(model, grant)
        self._catalog.check_offered(model, opening.operation)
        return Call(
            self._books,
            head,
            opening,
            model,
            seconds=self._waiting_seconds,
            size=len(body),
            prompt=prompt_of(request),
            body=with_usage(opening, request, body),
        )

    def _refused(self, error: LogitsError, head: RequestHead, caller: Caller) -> Refusal:
        self._metrics.refusals.labels(error.reason or error.code.value).inc()
        return refusal(error, head, caller.lines(self._books.clock()))

    async def _place(self, call: Call) -> Decision:
        call.enter_again()
        with ExitStack() as abandoned:
            abandoned.callback(call.suspend)
            try:
                reservation = await self._reserve(call)
            except LogitsError as error:
                return self._refused(error, call.head, call.caller)
            abandoned.pop_all()
        return self._forward(call, reservation, self._books.clock())

    async def _reserve(self, call: Call) -> Reservation:
        found = self._waiting.reserve_now(call.model, call.claim)
        if isinstance(found, Reservation):
            return found
        failure = self._catalog.failure(self._catalog.require(call.model, call.caller.grant))
        if failure is not None:
            raise failure
        return await self._wait(call)

    async def _wait(self, call: Call) -> Reservation:
        loop = asyncio.get_running_loop()
        now = self._books.clock()
        turn = Turn(call.claim, loop.create_future())
        place = Place(call.model, call.caller.grant.name, call.size, turn)
        # Endpoints that failed it may be tried again once their pause is over, and nobody else tells of that.
        pause = max(0.0, call.not_before - now)
        timer = loop.call_later(pause, self._waiting.serve, call.model) if pause else None
        try:
            return await self._waiting.reserve(place, max(0.0, call.deadline - now))
        finally:
            if timer is not None:
                timer.cancel()

    def _forward(self, call: Call, reservation: Reservation, now: float) -> Forward:
        call.placed()
        opening, endpoint = call.opening, reservation.endpoint
        attempt = Attempt(self, call, reservation, sent_at=now, curious=opening.operation is CREATE_RESPONSE)
        return Forward(
            Upstream(endpoint.host, endpoint.port),
            opening.target,
            body=call.body,
            observer=attempt,
            rewrite_error=attempt.rewrite_error,
            drop=DROPPED,
            reshapes=True,
        )

    def keep_alive(self, head: RequestHead, body: bytes | None) -> KeepAlive | None:
        """Show life to clients that asked for a stream."""
        try:
            opening = opening_of(head, self._callers)
            if opening.operation.body is BodyForm.NONE or not read(head, opening, body or b"").stream:
                return None
        except LogitsError:
            return None
        dialect = opening.operation.dialect
        return KeepAlive(lambda answer: closing_in(dialect, answer.body), comment=sign_of_life_in(dialect))

    # -- stored responses: only their maker has them -------------------------------------------------------------

    def _ask_maker(self, head: RequestHead, opening: Opening, caller: Caller) -> Forward:
        name, operation = caller.grant.name, opening.operation
        everybody = (
            Maker(model, endpoint.id, name)
            for model, endpoints in self._catalog.endpoints().items()
            if caller.grant.allows(model) and self._catalog.offers(model, operation)
            for endpoint in endpoints
        )
        found = self._stored.candidates(response_id(head.path), name, everybody)
        if not found:
            raise _no_response(head)
        call = Call(self._books, head, opening, found[0].model, seconds=self._waiting_seconds)
        call.targets = tuple((maker.model, maker.endpoint) for maker in found)
        call.enter()
        forward = self._next_target(call)
        if forward is None:
            call.suspend()
            raise _no_response(head)
        return forward

    def _next_target(self, call: Call) -> Forward | None:
        reservation = call.claim_target()
        return None if reservation is None else self._forward(call, reservation, self._books.clock())

    # -- Desk --------------------------------------------------------------------------------------------------

    def again(self, attempt: Attempt, *, died: bool) -> Forward | Later | None:
        """Try another endpoint at once, or wait until there is one."""
        call = attempt.call
        call.deaths += died
        if call.opening.operation.body is BodyForm.NONE:
            return self._next_target(call)
        if call.deaths >= DEATHS:
            return None
        call.tried |= {attempt.reservation.endpoint.id}
        if len(call.tried) < ATTEMPTS and self._retries.retry():
            reservation = call.claim(exclude=call.tried)
            if isinstance(reservation, Reservation):
                self._metrics.retries.inc()
                return self._forward(call, reservation, self._books.clock())
        now = self._books.clock()
        if now >= call.deadline or not self._catalog.expected_back(call.model):
            return None
        call.not_before = now + min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**call.losses)
        call.losses += 1
        self._metrics.losses.inc()
        return Later(lambda: self._place(call))

    def not_offered(self, attempt: Attempt, status: int, body: bytes) -> Refusal | Forward | None:
        """Ask the next who may know, or say clearly that the engine has no such thing."""
        call = attempt.call
        operation = call.opening.operation
        if operation.body is BodyForm.NONE:
            return self._next_target(call) if status == NOT_FOUND else None
        if status not in {NOT_FOUND, *NO_SUCH_THING}:
            return None
        error = error_members(normalised(status, body))
        if status == NOT_FOUND and (error.get("param") or error.get("code")):
            return None
        why = f"Its engine answered: {error.get('message')}"
        lines = call.caller.lines(self._books.clock())
        return refusal(unsupported(call.model, operation, why), call.head, lines)

    def began(self, attempt: Attempt, now: float) -> None:
        """Time the LLM Server."""
        self._router.first_byte(attempt.reservation, now)
        self._metrics.first_byte_seconds.observe(now - attempt.sent_at)

    def answered(self, attempt: Attempt, piece: bytes) -> bool:
        """Remember who made a response."""
        reservation = attempt.reservation
        name = attempt.call.caller.grant.name
        return self._stored.note(piece, Maker(reservation.model, reservation.endpoint.id, name))

    def release(self, attempt: Attempt, verdict: Verdict, outcome: Outcome, usage: Usage | None) -> None:
        """Give the place back and hand it to whoever waits."""
        self._counter(outcome).inc()
        self._router.release(attempt.reservation, verdict, now=self._books.clock(), usage=usage)
        self._waiting.serve(attempt.reservation.model)

    def _counter(self, outcome: Outcome) -> Count:
        # Finding a child by its labels costs more than counting; there are as many as kinds and statuses.
        place = (outcome.kind, outcome.status)
        counter = self._ended.get(place)
        if counter is None:
            status = "none" if outcome.status is None else f"{outcome.status // 100}xx"
            counter = self._ended[place] = self._metrics.requests.labels(outcome.kind.value, status)
        return counter


def _no_response(head: RequestHead) -> LogitsError:
    return LogitsError(
        ErrorCode.NOT_FOUND,
        f"There is no response {response_id(head.path)[:80]!r}. Only an engine that stores responses has them, "
        "until it restarts.",
        field="response_id",
        reason="response_not_found",
    )
