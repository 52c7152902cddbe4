"""Our own router in the simulator's seat: `logits_core.routing.Router`, fed as the API Server feeds it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from logits_core.routing import Endpoint, News, Reservation, Router, Usage, Verdict
from logits_core.simulation.policy import Answer, Policy, Report, View
from logits_core.simulation.requests import Request

MODEL = "model"
IN_FLIGHT = 4096


class Learned(Policy):
    """The router of this product.

    Args:
        view: What it is given.
        gossip: Whether its replicas tell each other.
    """

    def __init__(self, view: View, *, gossip: bool = False) -> None:
        super().__init__(view)
        self.router = Router(gossip=gossip)
        self._open: dict[int, Reservation] = {}
        self._chosen: Reservation | None = None
        self._endpoints = [
            Endpoint(str(number), "engine", number, IN_FLIGHT, profile.cache_tokens, profile.sequences)
            for number, profile in enumerate(view.profiles)
        ]

    def ready(self, engines: Sequence[int], now: float) -> None:
        """Take in which engines are ready."""
        self.router.sync(MODEL, [self._endpoints[engine] for engine in engines])

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Reserve a place."""
        tried = frozenset(str(n) for n in range(len(self._endpoints)) if n not in ready)
        got = self.router.reserve(MODEL, now=now, pick=self.view.pick, exclude=tried, prompt=request.prompt())
        if not isinstance(got, Reservation):
            return None
        self._chosen = got
        return got.endpoint.port

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Remember the reservation until the answer."""
        if self._chosen is not None:
            self._open[id(request)] = self._chosen

    def first_token(self, request: Request, engine: int, now: float) -> None:
        """Tell the router."""
        reservation = self._open.get(id(request))
        if reservation is not None:
            self.router.first_byte(reservation, now)

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        """Release with the answer's usage."""
        usage = Usage(answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens)
        self.router.release(self._open.pop(id(request)), Verdict.GOOD, now=now, usage=usage)

    def failed(self, request: Request, engine: int, now: float) -> None:
        """Release as failed."""
        self.router.release(self._open.pop(id(request)), Verdict.BAD, now=now)

    def observe(self, engine: int, report: Report, now: float) -> None:
        """Pass the metrics on."""
        self.router.observe(
            MODEL, str(engine), running=report.running, waiting=report.waiting, now=now, cache_usage=report.usage
        )

    def restarted(self, engine: int, now: float) -> None:
        """Pass it on."""
        self.router.restarted(MODEL, str(engine))


class Gossiping:
    """Makes replicas that tell each other about their requests, some time later.

    Args:
        delay: Seconds until news arrive.
    """

    def __init__(self, delay: float = 0.05) -> None:
        self.delay = delay
        self._news: deque[tuple[float, int, list[News]]] = deque()
        self._replicas: list[Learned] = []

    def __call__(self, view: View) -> Policy:
        """Return one replica."""
        if view.number == 0:
            self._news.clear()
            self._replicas.clear()
        replica = _Gossiper(view, self)
        self._replicas.append(replica)
        return replica

    def exchange(self, source: int, news: list[News], now: float) -> None:
        """Take a replica's news and hand out what is due."""
        if news:
            self._news.append((now + self.delay, source, news))
        while self._news and self._news[0][0] <= now:
            _, teller, told = self._news.popleft()
            for number, replica in enumerate(self._replicas):
                if number != teller:
                    replica.router.hear(str(teller), told, now)


class _Gossiper(Learned):
    def __init__(self, view: View, hub: Gossiping) -> None:
        super().__init__(view, gossip=True)
        self._hub = hub

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        self._hub.exchange(self.view.number, [], now)
        chosen = super().choose(request, ready, now)
        self._hub.exchange(self.view.number, self.router.news(), now)
        return chosen

    def first_token(self, request: Request, engine: int, now: float) -> None:
        super().first_token(request, engine, now)
        self._hub.exchange(self.view.number, self.router.news(), now)

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        super().done(request, engine, answer, now)
        self._hub.exchange(self.view.number, self.router.news(), now)
