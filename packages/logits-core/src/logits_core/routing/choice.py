"""The choice: what a request would cost at each endpoint, in seconds for itself and for the others there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from logits_core.routing.belief import HOMES, STRAY, Belief
from logits_core.routing.endpoint import Endpoint, Reason
from logits_core.routing.health import EndpointHealth
from logits_core.routing.load import ATTENTION_TOKENS, CHUNK_TOKENS, Habits, Load, Speeds
from logits_core.routing.prefixes import PrefixIndex
from logits_core.routing.prompt import ENDS, Prompt
from logits_core.routing.ring import Ring

BURDEN = 0.03
"""What a second that others' answers take longer counts against a second of this request's wait.

More of it evens out the engines' batches, which gives smoother streams and, near saturation, more throughput;
less of it keeps prompts nearer to where they are cached, which gives earlier first tokens.
"""

REUSE = 2.0
"""What the room that a prompt takes counts, against reading it: what is read anew pushes out something else, which
is wanted again as often as anything is. More of it keeps prompts at their places when the cache is short.
"""

MOST_HOLDERS = 16
MOST_COMPARED = 32
"""Larger fleets are sampled: the best holders, the homes, and others at random up to this number."""

UNKNOWN_CAPACITY = 300_000
"""Tokens that an engine is taken to hold when it doesn't say."""

SLACK = 2.0
SPREAD = 1.0
"""No endpoint gets a request while it has more than (1 + SPREAD) times the mean load plus SLACK."""


@dataclass(slots=True)
class Place:
    """One endpoint with all that is known of it.

    Attributes:
        filled: Share of its cache that has been filled since it was last known to be empty.
    """

    endpoint: Endpoint
    load: Load
    filled: float = 1.0
    health: EndpointHealth = field(default_factory=EndpointHealth)


@dataclass(slots=True)
class Fleet:
    """All places of one model, and what has been learned of its prompts and answers."""

    places: dict[str, Place] = field(default_factory=dict[str, Place])
    index: PrefixIndex = field(default_factory=PrefixIndex)
    habits: Habits = field(default_factory=Habits)
    speeds: Speeds = field(default_factory=Speeds)
    names: tuple[str, ...] = ()
    ring: Ring = field(default_factory=lambda: Ring(()))
    belief: Belief = field(default_factory=Belief)


class Ask(NamedTuple):
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
        burden: Seconds, weighed, by which it delays the answers under way there and they delay its own.
        excluded: Why it is out of the choice; empty when it isn't.
    """

    endpoint: str
    cached_tokens: float
    requests: float
    wait: float
    prefill: float
    burden: float
    excluded: str = ""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.wait + self.prefill + self.burden


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
    marks, size, belief = prompt.marks, prompt.size, fleet.belief
    tokens = size * scale
    known = fleet.index.matches(marks, MOST_HOLDERS)
    fork = fleet.index.fork(marks)
    homes = fleet.ring.homes(marks[fork], HOMES) if marks and len(fleet.places) > 1 else []
    kept, stray = belief.kept, scale * belief.kept[STRAY]
    held: dict[str, float] = {}
    for name, count in known.items():
        end = ENDS[count - 1]
        held[name] = (end if end < size else size) * stray
    for rank, name in enumerate(homes):
        count = known.get(name, 0)
        sure = min(ENDS[count - 1], size) * scale * kept[rank] if count else 0.0
        sure += (tokens - sure) * belief.expected(rank) * fleet.places[name].filled
        held[name] = sure
    return Ask(tokens, known, held, homes, fork)


def score(fleet: Fleet, place: Place, wanted: Ask, now: float) -> Score:
    """Return what a request would cost at one place, item by item."""
    return Score(place.endpoint.id, *costs(fleet, (place,), wanted, now)[0])


def costs(
    fleet: Fleet, places: Iterable[Place], wanted: Ask, now: float
) -> list[tuple[float, float, float, float, float]]:
    """Return what a request would cost at each place, as `Score` has it from `cached_tokens` to `burden`."""
    # The innermost part of every decision: attributes are read once, and small functions are written out.
    habits, pace, tokens, held_at = fleet.habits, fleet.speeds.pace, wanted.tokens, wanted.held
    all_slope, all_intercept, all_reading = pace.slope, pace.intercept, fleet.speeds.reading.value
    completion, usual_context, unread, reuse = (
        habits.completion_tokens, habits.context_tokens, habits.unread, habits.reuse,
    )  # fmt: skip
    found: list[tuple[float, float, float, float, float]] = []
    for place in places:
        load, endpoint = place.load, place.endpoint
        held = held_at.get(endpoint.id, 0.0)
        if held > tokens:
            held = tokens
        missing = tokens - held
        others, own, factor = load.others, load.in_flight, load.pace.value
        requests = own + others
        context = load.context + others * usual_context
        reading = all_reading * load.reading.value
        # Answers under way share the steps of reading, and the more context they have, the longer each step takes.
        slowdown = all_slope * factor
        shared = slowdown * context / CHUNK_TOKENS
        wait = others * unread * (reading + shared)
        if own:
            wait += load.wait(now)
        step = all_intercept * factor + slowdown * context
        amount = missing * (1.0 + (2.0 * held + missing) / ATTENTION_TOKENS)
        prefill = amount * reading + missing * shared + step
        slots = endpoint.slots
        if 0 < slots <= requests:
            wait += (requests - slots + 1.0) / slots * completion * step
        answer = completion * slowdown * (context + tokens)
        burden = BURDEN * (prefill * requests + answer) + REUSE * missing * (reading + shared) * reuse
        found.append((held, requests, wait, prefill, burden))
    return found


def bound(requests: float, places: int) -> float:
    """Return how many requests one of so many endpoints may have at most before it gets another one."""
    return (1.0 + SPREAD) * requests / places + SLACK
