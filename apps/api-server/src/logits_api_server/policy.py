"""The relay policy of the API Server: a request's model decides which LLM Server gets it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from logits_api_server.catalog import Catalog
from logits_api_server.demand import DemandLedger, Ticket
from logits_api_server.errors import refusal
from logits_api_server.metrics import Metrics
from logits_api_server.observer import Attempt
from logits_api_server.waiting import WaitingRoom
from logits_core.errors import LogitsError
from logits_core.routing import Reservation, Router, Verdict
from logits_core.wire import DONE, InferenceRequest, data_event, decode_request
from logits_shell.relay import Forward, KeepAlive, Outcome, Refusal, RequestHead, Upstream

INFERENCE: Final = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/rerank",
        "/v1/score",
    }
)
"""What is passed to engines, by POST; an allow-list, because engines have paths that nobody outside may use."""

PREFIX: Final = "/api"
DROPPED: Final = frozenset({b"authorization", b"cookie", b"accept-encoding"})
"""The client's fields that LLM Servers don't get: credentials aren't theirs, and errors must stay readable."""


def upstream_path(path: str) -> str:
    """Return a public path without the optional `/api` in front of `/v1`."""
    return path.removeprefix(PREFIX) if path.startswith("/api/v1/") else path


def offered(path: str) -> bool:
    """Say whether POST to a public path goes to an engine."""
    return upstream_path(path) in INFERENCE


class InferencePolicy:
    """Decides for every inference request; a `WaitingPolicy` and the `Desk` of its attempts."""

    def __init__(
        self,
        catalog: Catalog,
        router: Router,
        waiting: WaitingRoom,
        ledger: DemandLedger,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        body_limit: int,
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._waiting = waiting
        self._ledger = ledger
        self._metrics = metrics
        self._now = now
        self._body_limit = body_limit

    def relays(self, method: str, path: str) -> bool:
        """Take POST to the inference paths."""
        return method == "POST" and offered(path)

    def wants_body(self, head: RequestHead) -> int | None:
        """The model is in the body, so the whole body is needed."""
        return self._body_limit

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        """Find the model, wait for a place if need be, and send the request there."""
        try:
            request = decode_request(body or b"")
            return await self._place(head, request, len(body or b""))
        except LogitsError as error:
            self._metrics.refusals.labels(error.reason or error.code.value).inc()
            return refusal(error)

    async def _place(self, head: RequestHead, request: InferenceRequest, size: int) -> Forward:
        deployment = self._catalog.require(request.model)
        with ExitStack() as abandoned:
            ticket = self._ledger.enter(request.model)
            abandoned.callback(ticket.ended)
            reservation = self._waiting.reserve_now(request.model)
            if not isinstance(reservation, Reservation):
                failure = self._catalog.failure(deployment)
                if failure is not None:
                    raise failure
                reservation = await self._waiting.reserve(request.model, size)
            abandoned.pop_all()
        _, _, query = head.target.partition("?")
        path = upstream_path(head.path)
        return self._forward(reservation, ticket, frozenset(), f"{path}?{query}" if query else path)

    def _forward(self, reservation: Reservation, ticket: Ticket, tried: frozenset[str], target: str) -> Forward:
        ticket.started()
        attempt = Attempt(self, reservation, ticket, tried=tried, target=target, sent_at=self._now())
        endpoint = reservation.endpoint
        return Forward(
            Upstream(endpoint.host, endpoint.port),
            target,
            observer=attempt,
            rewrite_error=attempt.rewrite_error,
            drop=DROPPED,
        )

    def keep_alive(self, head: RequestHead, body: bytes | None) -> KeepAlive | None:
        """Show life to clients that asked for a stream."""
        try:
            request = decode_request(body or b"")
        except LogitsError:
            return None
        return KeepAlive(closing=_in_band) if request.stream else None

    # -- Desk ------------------------------------------------------------------------------------------------

    def again(self, attempt: Attempt) -> Forward | None:
        """Reserve another endpoint for a failed request, once."""
        if len(attempt.tried) > 1:
            return None
        reservation = self._waiting.reserve_now(attempt.reservation.model, exclude=attempt.tried)
        if not isinstance(reservation, Reservation):
            return None
        self._metrics.retries.inc()
        return self._forward(reservation, attempt.ticket, attempt.tried, attempt.target)

    def first_byte(self, attempt: Attempt) -> None:
        """Time the LLM Server."""
        self._metrics.first_byte_seconds.observe(self._now() - attempt.sent_at)

    def release(self, attempt: Attempt, verdict: Verdict, outcome: Outcome) -> None:
        """Give the place back and hand it to whoever waits."""
        status = "none" if outcome.status is None else f"{outcome.status // 100}xx"
        self._metrics.requests.labels(outcome.kind.value, status).inc()
        self._router.release(attempt.reservation, verdict, now=self._now())
        self._waiting.serve(attempt.reservation.model)


def _in_band(answer: Refusal) -> bytes:
    return data_event(answer.body) + DONE
