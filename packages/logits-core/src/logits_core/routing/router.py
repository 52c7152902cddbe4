"""The router: load reserved at the decision, prefixes remembered, failing endpoints left out.

Pure: the clock and the randomness are arguments, and nothing here waits. Whoever reserves must release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from logits_core.routing.choice import (
    MOST_COMPARED,
    MOST_HOLDERS,
    UNKNOWN_CAPACITY,
    Ask,
    Explanation,
    Fleet,
    Place,
    ask,
    bound,
    costs,
    score,
)
from logits_core.routing.endpoint import Endpoint, Reason, Reservation, Unavailable, Usage
from logits_core.routing.gossip import Event, Gossip, News
from logits_core.routing.health import Verdict
from logits_core.routing.load import Load, work
from logits_core.routing.prompt import Prompt
from logits_core.routing.ring import Ring

NOTHING = Prompt((), 2000)
"""Bytes that a prompt is taken to have when the caller doesn't show it."""


@dataclass(slots=True)
class _Open:
    fleet: Fleet
    place: Place
    prompt: Prompt
    context: float
    wanted: Ask
    work: float
    since: float
    alone: bool
    began: float = -1.0
    context_before: float = 0.0


class Router:
    """Chooses endpoints for requests.

    Args:
        eject_after: Failures in a row that take an endpoint out of the choice.
        eject_seconds: Length of a first ejection; doubles with each one in a row.
        eject_longest: Seconds that no ejection exceeds.
        gossip: Whether to collect news for other routers, see `news` and `hear`.
    """

    def __init__(
        self,
        *,
        eject_after: int = 3,
        eject_seconds: float = 1.0,
        eject_longest: float = 30.0,
        gossip: bool = False,
    ) -> None:
        self._eject_after = eject_after
        self._eject_seconds = eject_seconds
        self._eject_longest = eject_longest
        self._fleets: dict[str, Fleet] = {}
        self._open: dict[int, _Open] = {}
        self._next = 1
        self._gossip = Gossip() if gossip else None

    def sync(self, model: str, endpoints: Iterable[Endpoint]) -> None:
        """Make `endpoints` all that serve `model`; what is known of those that stay is kept."""
        fleet = self._fleets.setdefault(model, Fleet())
        wanted = {endpoint.id: endpoint for endpoint in endpoints}
        before = set(fleet.places)
        for name, place in list(fleet.places.items()):
            endpoint = wanted.get(name)
            if endpoint is None or (endpoint.host, endpoint.port) != (place.endpoint.host, place.endpoint.port):
                del fleet.places[name]
                fleet.index.close(name)
        for name, endpoint in wanted.items():
            place = fleet.places.setdefault(name, Place(endpoint, Load(fleet.speeds, fleet.habits)))
            place.endpoint = endpoint
            tokens = endpoint.cache_tokens or UNKNOWN_CAPACITY
            fleet.index.open(name, tokens * fleet.habits.bytes_per_token)
        if not fleet.places:
            del self._fleets[model]
        elif before != wanted.keys():
            fleet.ring = Ring(fleet.places, fleet.ring)
            fleet.names = tuple(fleet.places)

    def reserve(
        self,
        model: str,
        *,
        now: float,
        pick: Callable[[int], int],
        exclude: Set[str] = frozenset(),
        prompt: Prompt | None = None,
        adapter: str = "",
    ) -> Reservation | Unavailable:
        """Reserve a place for one request.

        Args:
            model: Whose endpoints.
            now: The caller's clock, seconds.
            pick: Given n, returns one of 0..n-1 at random; breaks ties.
            exclude: Ids of endpoints that this request has already tried.
            prompt: What is known of its prompt; without it, load alone decides.
            adapter: The LoRA adapter that it needs; only endpoints that have it are considered.
        """
        fleet = self._fleets.get(model)
        if fleet is None:
            return Unavailable.NO_ENDPOINT
        shown = prompt or NOTHING
        wanted = ask(fleet, shown)
        places: Iterable[Place] = fleet.places.values()
        if len(fleet.places) > MOST_COMPARED:
            places = _sample(fleet, wanted, pick)
        candidates = _candidates(places, exclude, now, adapter)
        if isinstance(candidates, Unavailable) and len(fleet.places) > MOST_COMPARED:
            candidates = _candidates(fleet.places.values(), exclude, now, adapter)
        if isinstance(candidates, Unavailable):
            return candidates
        seconds = [wait + own + burden for _, _, wait, own, burden in costs(fleet, candidates, wanted, now)]
        least = min(seconds)
        best = [n for n, value in enumerate(seconds) if value <= least]
        chosen = best[pick(len(best))] if len(best) > 1 else best[0]
        return self._take(model, fleet, candidates[chosen], prompt=shown, wanted=wanted, now=now)

    def _take(self, model: str, fleet: Fleet, place: Place, *, prompt: Prompt, wanted: Ask, now: float) -> Reservation:
        name = place.endpoint.id
        held = min(wanted.held.get(name, 0.0), wanted.tokens)
        context = wanted.tokens + 0.5 * fleet.habits.completion_tokens
        number, self._next = self._next, self._next + 1
        missing = wanted.tokens - held
        amount = work(held, missing)
        place.filled = min(1.0, place.filled + missing / (place.endpoint.cache_tokens or UNKNOWN_CAPACITY))
        self._open[number] = _Open(fleet, place, prompt, context, wanted, amount, now, not place.load.reads)
        place.load.add(number, missing, amount, context=context, now=now)
        # What it holds already becomes the most recent when the request ends, as in the engine.
        fleet.index.put(name, prompt, wanted.known.get(name, 0))
        if self._gossip is not None:
            self._gossip.tell(News(Event.SENT, model, name, number, prompt, missing, amount, context))
        return Reservation(model, place.endpoint, number, int(held), _reason(fleet, wanted, name))

    def first_byte(self, reservation: Reservation, now: float) -> None:
        """Note that the answer has begun: the prompt has been read. Only the first call counts."""
        opened = self._open.get(reservation.number)
        if opened is not None and opened.began < 0:
            opened.began, opened.context_before = now, opened.place.load.whole_context
            opened.place.load.read(reservation.number, now)
            if self._gossip is not None:
                self._gossip.tell(News(Event.READ, reservation.model, reservation.endpoint.id, reservation.number))

    def release(self, reservation: Reservation, verdict: Verdict, *, now: float, usage: Usage | None = None) -> None:
        """Give a place back; a second release of the same reservation changes nothing.

        Args:
            reservation: What `reserve` returned.
            verdict: How the attempt went.
            now: The caller's clock, seconds.
            usage: What the engine said that it took, if it did.
        """
        opened = self._open.pop(reservation.number, None)
        if opened is None:
            return
        place, fleet, name = opened.place, opened.fleet, reservation.endpoint.id
        if opened.began < 0:
            place.load.read(reservation.number, now, learn=verdict is Verdict.GOOD)
            if verdict is Verdict.BAD and fleet.places.get(name) is place:
                fleet.index.forget(name, opened.prompt.marks[opened.wanted.known.get(name, 0) :])
        elif usage is not None and usage.completion_tokens > 8:
            pace = (now - opened.began) / (usage.completion_tokens - 1)
            place.load.decoded(0.5 * (place.load.whole_context + opened.context_before), pace)
            # Only the time that reading takes: who waits for room isn't in the way of who comes next.
            reading = min(opened.began - opened.since, 2.0 * place.load.seconds(opened.work, opened.work))
            unread = opened.work * reading / max(1e-9, now - opened.since)
            fleet.habits.unread += 0.05 * (unread - fleet.habits.unread)
        place.load.drop(opened.context)
        if verdict is not Verdict.GOOD or place.health.failures or place.health.ejections:
            place.health = place.health.after(
                verdict,
                now,
                threshold=self._eject_after,
                first=self._eject_seconds,
                longest=self._eject_longest,
            )
        if usage is not None and fleet.places.get(name) is place:
            _learn(opened, name, usage)
        if self._gossip is not None:
            output = usage.completion_tokens * fleet.habits.bytes_per_token if usage else 0.0
            done = News(Event.DONE, reservation.model, name, reservation.number, output=output)
            self._gossip.tell(done)

    def news(self) -> list[News]:
        """Return what has happened since the last call, for the other routers; empty without `gossip`."""
        return self._gossip.fetch() if self._gossip is not None else []

    @property
    def dropped_news(self) -> int:
        """How many news nobody fetched in time."""
        return self._gossip.dropped if self._gossip is not None else 0

    def hear(self, source: str, news: Iterable[News], now: float) -> None:
        """Take in another router's news.

        Args:
            source: Its name.
            news: In its order.
            now: This caller's clock, seconds.
        """
        if self._gossip is not None:
            self._gossip.hear(self._fleets, source, news, now)

    def lost(self, source: str, now: float) -> None:
        """Note that another router has gone, and its requests with it."""
        if self._gossip is not None:
            self._gossip.lost(source, now)

    def observe(
        self,
        model: str,
        endpoint: str,
        *,
        running: int,
        waiting: int,
        now: float,
        cache_usage: float | None = None,
    ) -> None:
        """Take in what an endpoint reports of itself; late reports are useful, none at all is no error.

        Args:
            model: Whose endpoint.
            endpoint: Its id.
            running: Requests that it works on, of all routers.
            waiting: Requests that it queues, of all routers.
            now: The caller's clock when the report arrived, seconds.
            cache_usage: Share of its key-value cache that requests in flight use, 0..1.
        """
        fleet = self._fleets.get(model)
        place = fleet.places.get(endpoint) if fleet else None
        if fleet is not None and place is not None:
            place.load.report(running + waiting, cache_usage, now)
            memory = (cache_usage or 0.0) * (1.0 + waiting / max(1, running))
            fleet.ring.report(endpoint, running + waiting, memory, now)
            loads = [each.load for each in fleet.places.values()]
            everything = sum(load.requests for load in loads)
            if everything > 0:
                others = sum(load.others for load in loads) / everything
                fleet.belief.others += 0.02 * (others - fleet.belief.others)

    def restarted(self, model: str, endpoint: str) -> None:
        """Forget what an endpoint held and had queued: its engine has restarted, slept or dropped its cache."""
        fleet = self._fleets.get(model)
        if fleet is not None and endpoint in fleet.places:
            fleet.index.clear(endpoint)
            fleet.places[endpoint].load.restart()
            fleet.places[endpoint].filled = 0.0

    def explain(self, model: str, prompt: Prompt | None, now: float, exclude: Set[str] = frozenset()) -> Explanation:
        """Say where a request would go now and what it would cost at each endpoint; changes nothing.

        Args:
            model: Whose endpoints.
            prompt: What is known of its prompt.
            now: The caller's clock, seconds.
            exclude: Ids of endpoints that it has already tried.
        """
        fleet = self._fleets.get(model)
        candidates = _candidates(fleet.places.values(), exclude, now) if fleet else Unavailable.NO_ENDPOINT
        if fleet is None or isinstance(candidates, Unavailable):
            return Explanation(None, Reason.ONLY, ())
        shown = prompt or NOTHING
        wanted = ask(fleet, shown)
        inside = {place.endpoint.id for place in candidates}
        scores = [
            score(fleet, place, wanted, now)._replace(excluded="" if name in inside else _why_not(place, exclude, now))
            for name, place in fleet.places.items()
        ]
        scores.sort(key=lambda each: (bool(each.excluded), each.seconds))
        winner = scores[0].endpoint
        return Explanation(winner, _reason(fleet, wanted, winner), tuple(scores))

    def in_flight(self, model: str) -> dict[str, int]:
        """Return the requests in flight at each endpoint of `model`."""
        fleet = self._fleets.get(model)
        return {name: place.load.in_flight for name, place in fleet.places.items()} if fleet else {}

    def ejected(self, model: str, now: float) -> frozenset[str]:
        """Return the ids of the endpoints of `model` that are out of the choice now."""
        fleet = self._fleets.get(model)
        places = fleet.places if fleet else {}
        return frozenset(name for name, place in places.items() if now < place.health.ejected_until)

    @property
    def open_reservations(self) -> int:
        """How many reservations wait for their release, those of departed endpoints included."""
        return len(self._open)


def _sample(fleet: Fleet, wanted: Ask, pick: Callable[[int], int]) -> list[Place]:
    names = dict.fromkeys([*wanted.held])
    everyone = fleet.names
    for _ in range(MOST_COMPARED - MOST_HOLDERS):
        names[everyone[pick(len(everyone))]] = None
    return [fleet.places[name] for name in names]


def _candidates(places: Iterable[Place], exclude: Set[str], now: float, adapter: str = "") -> list[Place] | Unavailable:
    if exclude or adapter:
        places = [
            place
            for place in places
            if place.endpoint.id not in exclude and (not adapter or place.endpoint.serves(adapter))
        ]
    else:
        places = list(places)
    if not places:
        return Unavailable.NO_ENDPOINT
    # With nothing healthy left, trying is better than refusing.
    sound = [
        place for place in places if not place.health.ejections or place.health.allows(now, place.load.in_flight)
    ] or places
    free, requests, highest = list[Place](), 0.0, 0.0
    for place in sound:
        load, endpoint = place.load, place.endpoint
        own = load.in_flight
        if own < endpoint.capacity:
            there = own + load.others
            requests += there
            if there > highest:
                highest = there
            free.append(place)
    if not free:
        return Unavailable.ALL_BUSY
    most = bound(requests, len(free))
    return free if highest <= most else [place for place in free if place.load.requests <= most]


def _reason(fleet: Fleet, wanted: Ask, name: str) -> Reason:
    if len(fleet.places) == 1:
        return Reason.ONLY
    if wanted.known.get(name, 0) > wanted.fork:
        return Reason.PREFIX
    return Reason.HOME if wanted.rank(name) == 0 else Reason.COST


def _why_not(place: Place, exclude: Set[str], now: float) -> str:
    if place.endpoint.id in exclude:
        return "already tried"
    if not place.health.allows(now, place.load.in_flight):
        return "failing"
    if place.load.in_flight >= place.endpoint.capacity:
        return "full"
    return "too far above the mean load"


def _learn(opened: _Open, name: str, usage: Usage) -> None:
    fleet, prompt, wanted = opened.fleet, opened.prompt, opened.wanted
    fleet.habits.learn(usage, 0 if prompt is NOTHING else prompt.size)
    fleet.index.put_output(name, usage.completion_tokens * fleet.habits.bytes_per_token)
    fleet.index.put(name, prompt)
    if usage.cached_tokens is None or usage.prompt_tokens <= 0 or not prompt.marks:
        return
    count, rank = wanted.known.get(name, 0), wanted.rank(name)
    cached = usage.cached_tokens / usage.prompt_tokens
    if opened.alone and opened.began > 0:
        uncached = work(usage.cached_tokens, usage.prompt_tokens - usage.cached_tokens)
        opened.place.load.first_token(uncached, opened.began - opened.since)
    known = prompt.end(count) / prompt.size
    if count > wanted.fork:
        fleet.belief.learn_kept(rank, cached / known)
    else:
        fleet.belief.learn_found(rank, (cached - known) / (1.0 - known) if known < 1 else 0.0)
