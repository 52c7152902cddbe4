"""The seat of a router in the simulation: what it is asked, what it is told, and the four simplest ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from logits_core.simulation.engine import Engine
from logits_core.simulation.profiles import Profile
from logits_core.simulation.requests import Request

Chance = Callable[[], float]
"""Returns a random number from 0 to below 1."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine's metrics say.

    Attributes:
        running: Requests that it works on.
        waiting: Requests that it queues.
        usage: Share of its cache that running requests use, 0..1.
    """

    running: int
    waiting: int
    usage: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer's usage says, in tokens."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class View:
    """What a router is given when it starts.

    Attributes:
        profiles: The engines, by number.
        engines: The engines themselves: only for routers that get their cache events, and for the oracle.
        chance: Its randomness.
        number: Which of the router replicas it is.
    """

    profiles: Sequence[Profile]
    engines: Sequence[Engine]
    chance: Chance
    number: int = 0

    def pick(self, count: int) -> int:
        """Return one of 0..count-1 at random."""
        return int(self.chance() * count)


class Policy:
    """A router. This one knows nothing and chooses at random; others override what they need.

    Args:
        view: What it is given.
    """

    def __init__(self, view: View) -> None:
        self.view = view

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the number of one of the `ready` engines; None to let the request wait."""
        return ready[self.view.pick(len(ready))]

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Note that a request goes to an engine; called at once after the choice."""

    def first_token(self, request: Request, engine: int, now: float) -> None:
        """Note that an answer has begun."""

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        """Note that an answer is complete."""

    def failed(self, request: Request, engine: int, now: float) -> None:
        """Note that a request broke off."""

    def observe(self, engine: int, report: Report, now: float) -> None:
        """Take in an engine's metrics."""

    def ready(self, engines: Sequence[int], now: float) -> None:
        """Take in which engines are ready."""

    def restarted(self, engine: int, now: float) -> None:
        """Note that an engine has begun anew, if anybody says so."""


class Router(Protocol):
    """Makes one router replica."""

    def __call__(self, view: View) -> Policy:
        """Return a fresh one."""
        ...


class RoundRobin(Policy):
    """Takes turns."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._next = view.pick(len(view.profiles))

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the next one."""
        self._next += 1
        return ready[self._next % len(ready)]


class Counting(Policy):
    """A router that knows how many of its own requests each engine has."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.in_flight = [0] * len(view.profiles)

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Count it."""
        self.in_flight[engine] += 1

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        """Uncount it."""
        self.in_flight[engine] -= 1

    def failed(self, request: Request, engine: int, now: float) -> None:
        """Uncount it."""
        self.in_flight[engine] -= 1

    def least(self, engines: Sequence[int]) -> int:
        """Return the engine with the fewest requests, ties at random."""
        fewest = min(self.in_flight[engine] for engine in engines)
        best = [engine for engine in engines if self.in_flight[engine] == fewest]
        return best[self.view.pick(len(best))] if len(best) > 1 else best[0]


class LeastRequest(Counting):
    """Takes the engine with the fewest of its own requests."""

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return it."""
        return self.least(ready)


class PowerOfTwo(Counting):
    """Takes the better of two random engines."""

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return it."""
        if len(ready) < 2:
            return ready[0]
        one = self.view.pick(len(ready))
        other = (one + 1 + self.view.pick(len(ready) - 1)) % len(ready)
        return self.least((ready[one], ready[other]))
