"""The choice: what a request would cost at each endpoint, in seconds for itself and for the others there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from logits_core.routing.belief import HOMES, STRAY, Belief
from logits_core.routing.endpoint import Endpoint, Reason
from logits_core.routing.health import EndpointHealth
from logits_core.routing.load import Habits, Load, Speeds, work
from logits_core.routing.prefixes import PrefixIndex
from logits_core.routing.prompt import Prompt
from logits_core.routing.ring import Ring
from logits_core.routing.shelf import Shelf

MOST_HOLDERS = 16
MOST_COMPARED = 32
"""Larger fleets are sampled: the best holders, the homes, and others at random up to this number."""

INFINITE = float("inf")

UNKNOWN_CAPACITY = 300_000
"""Tokens that an engine is taken to hold when it doesn't say."""

ALONE = 0.02
"""Share of load up to which nobody else is taken to send requests to a fleet: reports and decisions differ in time."""

SLACK = 8.0
SPREAD = 1.0
"""No endpoint gets a request while it has more than (1 + SPREAD) times the mean load plus SLACK."""


class Place:
    """One endpoint with all that is known of it.

    Args:
        endpoint: The endpoint.
        load: Its load account.
        shelf: What it is believed to hold.

    Attributes:
        name: Its id.
        filled: Share of its cache that has been filled since it was last known to be empty.
        health: Whether it fails.
    """

    __slots__ = ("endpoint", "filled", "health", "load", "name", "shelf")

    def __init__(self, endpoint: Endpoint, load: Load, shelf: Shelf) -> None:
        self.name = endpoint.id
        self.endpoint = endpoint
        self.load = load
        self.shelf = shelf
        self.filled = 1.0
        self.health = EndpointHealth()


class Fleet:
    """All places of one model, and what has been learned of its prompts and answers.

    Attributes:
        places: By the endpoints' ids.
        every: The same, in their order.
        sick: Whether any of them has been ejected and has not proved itself since.
    """

    __slots__ = ("belief", "every", "habits", "index", "places", "ring", "sick", "speeds")

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.every: tuple[Place, ...] = ()
        self.sick = False
        self.index = PrefixIndex()
        self.habits = Habits()
        self.speeds = Speeds()
        self.ring = Ring(())
        self.belief = Belief()

    def settle(self) -> None:
        """Take in that places have come or gone, or that the health of one has changed."""
        self.every = tuple(self.places.values())
        self.sick = any(place.health.ejections for place in self.every)


class Ask(msgspec.Struct, gc=False):
    """A request as the choice sees it.

    Attributes:
        tokens: Length of the prompt.
        known: How many of its marks each endpoint has been sent.
        held: Tokens of it that each endpoint is expected to hold.
        homes: Where every router looks for it, in order.
        fork: Number of its first mark that isn't common property.
    """

    tokens: float
    known: dict[str, int]
    held: dict[str, float]
    homes: list[str]
    fork: int

    def rank(self, name: str) -> int:
        """Return which of the prompt's homes an endpoint is, `STRAY` for none."""
        return self.homes.index(name) if name in self.homes else STRAY


class Score(NamedTuple):
    """What a request would cost at one endpoint.

    Attributes:
        endpoint: Its id.
        cached_tokens: Tokens of the prompt that it is believed to hold.
        requests: Requests there, those of other routers included.
        wait: Seconds until the prompts ahead have been read.
        prefill: Seconds to read the rest of this one.
        seconds: All that it costs, for itself and for others.
        excluded: Why it is out of the choice; empty when it isn't.
    """

    endpoint: str
    cached_tokens: float
    requests: float
    wait: float
    prefill: float
    seconds: float
    excluded: str = ""

    @property
    def burden(self) -> float:
        """Seconds, weighed, by which it delays the answers under way there and they delay its own."""
        return self.seconds - self.wait - self.prefill


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request would go where it would go now.

    Attributes:
        endpoint: The winner's id, None when nothing can be reserved.
        reason: Why it won.
        scores: One for each endpoint, the cheapest first.
    """

    endpoint: str | None
    reason: Reason
    scores: tuple[Score, ...]


def ask(fleet: Fleet, prompt: Prompt) -> Ask:
    """Look up what is known of a prompt."""
    scale = 1.0 / fleet.habits.bytes_per_token
    marks, belief, places = prompt.marks, fleet.belief, fleet.places
    tokens = prompt.size * scale
    matches = fleet.index.matches(marks, MOST_HOLDERS)
    fork = fleet.index.fork(marks, next(iter(matches))) if matches else 0
    homes = fleet.ring.homes(marks[fork], HOMES) if marks and len(places) > 1 else []
    kept, stray = belief.kept, scale * belief.kept[STRAY]
    known: dict[str, int] = {}
    held: dict[str, float] = {}
    for count, names in matches.items():
        known.update(dict.fromkeys(names, count))
        held.update(dict.fromkeys(names, prompt.end(count) * stray))
    if homes and belief.others > ALONE:
        for name, count in known.items():
            # All routers keep the first home's prompts in use; elsewhere what others send pushes them out.
            if name != homes[0]:
                known[name] = there = places[name].shelf.recent(marks, count, places[name].load.share)
                held[name] = prompt.end(there) * stray
    for name, share, hope in zip(homes, kept, belief.hopes, strict=False):
        count = known.get(name, 0)
        sure = prompt.end(count) * scale * share if count else 0.0
        held[name] = sure + (tokens - sure) * hope * places[name].filled
    return Ask(tokens, known, held, homes, fork)


def score(place: Place, wanted: Ask, now: float) -> Score:
    """Return what a request would cost at one place, item by item."""
    load, tokens = place.load, wanted.tokens
    held = min(tokens, wanted.held.get(place.name, 0.0))
    prefill = load.seconds(work(held, tokens - held), tokens - held) + load.step
    return Score(place.name, held, load.requests, load.wait(now) + load.queue, prefill, load.price(tokens, held, now))


def cheapest(places: Collection[Place], wanted: Ask, now: float) -> list[Place]:
    """Return the places that cost least, all of them alike, within the bound; none when all are full."""
    best, most = _compare(places, wanted, now)
    for place in best:
        if place.load.requests > most:
            return _compare([place for place in places if place.load.requests <= most], wanted, now)[0]
    return best


def _compare(places: Collection[Place], wanted: Ask, now: float) -> tuple[list[Place], float]:
    """Return the places that cost least, and how many requests any may have that gets another one."""
    # The innermost part of every decision: `Load.price` is written out.
    tokens, held_at = wanted.tokens, wanted.held
    least, requests, free = INFINITE, 0.0, 0
    best: list[Place] = []
    for place in places:
        load = place.load
        if load.in_flight >= load.capacity:
            continue
        free += 1
        requests += load.requests
        cost = load.fixed + load.per_token * tokens
        held = held_at.get(place.name, 0.0)
        if held < tokens:
            cost += (tokens - held) * (load.per_missing + load.per_pair * (held + tokens))
        if now > load.due:
            cost += load.pending_seconds + now - load.due
        elif now < load.busy_until:
            cost += load.busy_until - now
        if cost < least:
            least, best = cost, [place]
        elif cost == least:
            best.append(place)
    return best, bound(requests, free)


def bound(requests: float, places: int) -> float:
    """Return how many requests one of so many endpoints may have at most before it gets another one."""
    return (1.0 + SPREAD) * requests / max(1, places) + SLACK
