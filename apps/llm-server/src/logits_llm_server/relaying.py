"""The relay's policy: what the engine offers goes to it unbuffered, all else is refused in OpenAI's shape."""

from collections.abc import Callable
from typing import Final

from logits_core.wire import engine_operation, normalised, plain_error
from logits_llm_server.loop import EngineSupervisor
from logits_llm_server.metrics import Metrics
from logits_llm_server.news import News
from logits_shell.relay import (
    Failure,
    Forward,
    Headers,
    Outcome,
    PassiveObserver,
    Refusal,
    Rejection,
    RequestHead,
    Upstream,
)

JSON: Final = (b"content-type", b"application/json")
NOT_READY_SECONDS: Final = b"1"
MODELS: Final = ("GET", "/v1/models")
"""The engine says itself what it serves."""


class Traffic:
    """Counts requests under way; loops hear when the first comes and the last goes.

    Args:
        metrics: told of every request.
        news: told of the first and the last.
    """

    def __init__(self, metrics: Metrics, news: News) -> None:
        self._metrics = metrics
        self._news = news
        self.in_flight = 0

    def began(self) -> None:
        """Count a request in."""
        self._change(+1)

    def ended(self, outcome: Outcome) -> None:
        """Count a request out."""
        self._metrics.requests.labels(outcome.kind.value.replace("-", "_")).inc()
        self._change(-1)

    def _change(self, by: int) -> None:
        before, self.in_flight = self.in_flight, self.in_flight + by
        self._metrics.in_flight.set(self.in_flight)
        if not before or not self.in_flight:
            self._news.tell()


class EngineRelay:
    """A ``RelayPolicy`` for one engine.

    Bodies pass through unread. An engine that dies before its first byte is a 503; one that dies within an
    answer breaks the connection, so the caller sees the truncation.

    Args:
        supervisor: knows where the engine answers.
        traffic: counts.
    """

    def __init__(self, supervisor: EngineSupervisor, traffic: Traffic) -> None:
        self._supervisor = supervisor
        self._traffic = traffic

    def relays(self, method: str, path: str) -> bool:
        """Relay what engines offer; the app answers the rest."""
        return engine_operation(method, path) is not None or (method, path) == MODELS

    def wants_body(self, head: RequestHead) -> int | None:
        """Stream bodies through."""
        return None

    def decide(self, head: RequestHead, body: bytes | None) -> Forward | Refusal:
        """Send the request to the engine, if that is ready."""
        endpoint = self._supervisor.endpoint
        if endpoint is None:
            decided = self._supervisor.plan
            return _refusal(503, f"The model isn't ready ({decided.phase}). {decided.message}", "model_not_ready")
        self._traffic.began()
        return Forward(
            Upstream(endpoint.host, endpoint.port),
            head.target,
            headers=((b"host", b"%s:%d" % (endpoint.host.encode(), endpoint.port)),),
            observer=_Exchange(self._traffic.ended),
            rewrite_error=_in_openai_shape,
        )


class _Exchange(PassiveObserver):
    def __init__(self, ended: Callable[[Outcome], None]) -> None:
        self._ended = ended

    def on_failure(self, failure: Failure, started: bool) -> Forward | Refusal | bytes | None:
        if started:
            return None
        return _refusal(
            503, "The engine ended before it answered. It is started again; try once more.", "engine_failed"
        )

    def on_end(self, outcome: Outcome) -> bytes | None:
        self._ended(outcome)
        return None


def _in_openai_shape(status: int, headers: Headers, body: bytes) -> Refusal:
    kept = tuple((name, value) for name, value in headers if name == b"retry-after")
    return Refusal(status, normalised(status, body), (JSON, *kept))


def _refusal(status: int, message: str, code: str) -> Refusal:
    headers = (JSON, (b"retry-after", NOT_READY_SECONDS))
    return Refusal(status, plain_error(status, message, code=code), headers)


def openai_rejection(rejection: Rejection, _: RequestHead | None) -> Refusal:
    """Put a refusal of the relay itself into OpenAI's shape."""
    retry = ((b"retry-after", str(rejection.retry_after).encode()),) if rejection.retry_after else ()
    code = rejection.reason.replace("-", "_")
    return Refusal(rejection.status, plain_error(rejection.status, rejection.message, code=code), (JSON, *retry))
