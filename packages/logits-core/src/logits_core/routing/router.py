"""The router: load reserved at the decision, prefixes remembered, failing endpoints left out.

Pure: the clock and the randomness are arguments, and nothing here waits. Whoever reserves must release.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set

import msgspec

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
    cheapest,
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


class _Open(msgspec.Struct):
    fleet: Fleet
    place: Place
    prompt: Prompt
    context: float
    wanted: Ask
    known: int
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
            room = (endpoint.cache_tokens or UNKNOWN_CAPACITY) * fleet.habits.bytes_per_token
            shelf, known = fleet.index.open(name, room), fleet.places.get(name)
            here = known or Place(endpoint, Load(fleet.speeds, fleet.habits), shelf)
            here.endpoint, here.load.slots, here.load.capacity = endpoint, endpoint.slots, endpoint.capacity
            fleet.places[name] = here
        if not fleet.places:
            del self._fleets[model]
        elif before != wanted.keys():
            fleet.ring = Ring(fleet.places, fleet.ring)
        fleet.settle()

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
        few = len(fleet.every) <= MOST_COMPARED
        places = _sound(fleet.every if few else _sample(fleet, wanted, pick), fleet, exclude, adapter, now)
        best = cheapest(places, wanted, now)
        if not best and not few:
            places = _sound(fleet.every, fleet, exclude, adapter, now)
            best = cheapest(places, wanted, now)
        if not best:
            return Unavailable.ALL_BUSY if places else Unavailable.NO_ENDPOINT
        chosen = best[pick(len(best))] if len(best) > 1 else best[0]
        return self._take(model, fleet, chosen, prompt=shown, wanted=wanted, now=now)

    def _take(self, model: str, fleet: Fleet, place: Place, *, prompt: Prompt, wanted: Ask, now: float) -> Reservation:
        name, load, tokens = place.name, place.load, wanted.tokens
        held = min(wanted.held.get(name, 0.0), tokens)
        context = tokens + 0.5 * fleet.habits.completion_tokens
        number, self._next = self._next, self._next + 1
        missing, amount = tokens - held, work(held, tokens - held)
        if place.filled < 1.0:
            place.filled = min(1.0, place.filled + missing / (place.endpoint.cache_tokens or UNKNOWN_CAPACITY))
        known = wanted.known.get(name, 0)
        self._open[number] = _Open(fleet, place, prompt, context, wanted, known, amount, now, not load.reads)
        load.add(number, missing, amount, context=context, now=now)
        # What it holds already becomes the most recent when the request ends, as in the engine.
        fleet.index.put(name, prompt, known)
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
                fleet.index.forget(name, opened.prompt.marks[opened.known :])
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
            fleet.settle()
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
                fleet.belief.meet(sum(load.others for load in loads) / everything)

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
        if fleet is None:
            return Explanation(None, Reason.ONLY, ())
        wanted = ask(fleet, prompt or NOTHING)
        sound = _sound(fleet.every, fleet, exclude, "", now)
        free = [place for place in sound if place.load.in_flight < place.endpoint.capacity]
        most = bound(sum(place.load.requests for place in free), len(free))
        inside = {place.name for place in free if place.load.requests <= most}
        scores = [
            score(place, wanted, now)._replace(excluded="" if name in inside else _why_not(place, exclude, now))
            for name, place in fleet.places.items()
        ]
        scores.sort(key=lambda each: (bool(each.excluded), each.seconds))
        winner = scores[0].endpoint if inside else None
        return Explanation(winner, _reason(fleet, wanted, winner) if winner else Reason.ONLY, tuple(scores))

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
    """Return the homes, the holders, and some others that stand together at a random place of the list."""
    every, places = fleet.every, fleet.places
    start, others = pick(len(every)), MOST_COMPARED - MOST_HOLDERS
    found = {name: places[name] for name in wanted.held}
    for place in every[start : start + others] + every[: max(0, start + others - len(every))]:
        found[place.name] = place
    return list(found.values())


def _sound(places: Collection[Place], fleet: Fleet, exclude: Set[str], adapter: str, now: float) -> Collection[Place]:
    """Return those that may be tried: with nothing healthy left, trying is better than refusing."""
    if exclude or adapter:
        places = [
            place for place in places if place.name not in exclude and (not adapter or place.endpoint.serves(adapter))
        ]
    if not fleet.sick:
        return places
    return [place for place in places if place.health.allows(now, place.load.in_flight)] or places


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
    fleet, prompt, wanted, count = opened.fleet, opened.prompt, opened.wanted, opened.known
    fleet.habits.learn(usage, 0 if prompt is NOTHING else prompt.size)
    fleet.index.put(name, prompt, output=usage.completion_tokens * fleet.habits.bytes_per_token)
    if usage.cached_tokens is None or usage.prompt_tokens <= 0 or not prompt.marks:
        return
    rank = wanted.rank(name)
    cached = usage.cached_tokens / usage.prompt_tokens
    if opened.alone and opened.began > 0:
        uncached = work(usage.cached_tokens, usage.prompt_tokens - usage.cached_tokens)
        opened.place.load.first_token(uncached, opened.began - opened.since)
    known = prompt.end(count) / prompt.size
    if count > wanted.fork:
        fleet.belief.learn_kept(rank, cached / known)
    else:
        fleet.belief.learn_found(rank, (cached - known) / (1.0 - known) if known < 1 else 0.0)
