"""Gossip: what routers may tell each other about requests under way; none of them needs it to work.

Every router that gossips collects `News` of its own reservations. Whoever runs it carries them to the other
routers in any way, at most once and in order; a router that hears nothing decides by engines' reports alone.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from logits_core.routing.choice import Fleet, Place
from logits_core.routing.prompt import Prompt

MOST_NEWS = 10_000
"""News that wait for being fetched; the oldest are dropped and counted."""


class Event(enum.Enum):
    """What happened to a reservation."""

    SENT = "sent"
    READ = "read"
    DONE = "done"


class News(NamedTuple):
    """One event of one reservation.

    Attributes:
        event: What happened.
        model: The model.
        endpoint: The endpoint's id.
        number: The reservation's, unique in its router.
        prompt: With SENT, the prompt's hashes; no text can be read out of them.
        uncached: With SENT, tokens that have to be read.
        work: With SENT, work of reading them.
        context: With SENT, tokens of the prompt and half the expected answer.
        output: With DONE, bytes of the answer.
    """

    event: Event
    model: str
    endpoint: str
    number: int
    prompt: Prompt | None = None
    uncached: float = 0.0
    work: float = 0.0
    context: float = 0.0
    output: float = 0.0


class Gossip:
    """What one router has to tell, and what it has been told of others' requests under way.

    Attributes:
        dropped: News that nobody fetched in time.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._outbox: deque[News] = deque()
        self._heard: dict[tuple[str, int], tuple[Place, float, Prompt]] = {}
        self._keys: dict[tuple[str, int], int] = {}
        self._next = -1

    def tell(self, news: News) -> None:
        """Keep news until they are fetched."""
        self._outbox.append(news)
        if len(self._outbox) > MOST_NEWS:
            self._outbox.popleft()
            self.dropped += 1

    def fetch(self) -> list[News]:
        """Return what there is to tell, and forget it."""
        found = list(self._outbox)
        self._outbox.clear()
        return found

    def hear(self, fleets: Mapping[str, Fleet], source: str, news: Iterable[News], now: float) -> None:
        """Account others' requests as if they were this router's.

        Args:
            fleets: By model.
            source: The router that tells.
            news: In its order.
            now: The caller's clock, seconds.
        """
        for each in news:
            fleet = fleets.get(each.model)
            place = fleet.places.get(each.endpoint) if fleet else None
            key = (source, each.number)
            if each.event is Event.SENT and fleet and place and each.prompt:
                self._sent(key, place, each, each.prompt, now)
                fleet.index.put(each.endpoint, each.prompt)
            elif each.event is Event.READ and key in self._heard:
                self._heard[key][0].load.read(self._keys[key], now, learn=False)
            elif each.event is Event.DONE and key in self._heard:
                self._done(key, fleet, each, now)

    def _sent(self, key: tuple[str, int], place: Place, news: News, prompt: Prompt, now: float) -> None:
        if key in self._heard:
            return
        # Own reservations count up from 1, so others' get negative numbers.
        self._keys[key], self._next = self._next, self._next - 1
        self._heard[key] = (place, news.context, prompt)
        place.load.add(self._keys[key], news.uncached, news.work, context=news.context, now=now)

    def _done(self, key: tuple[str, int], fleet: Fleet | None, news: News, now: float) -> None:
        place, context, prompt = self._heard.pop(key)
        place.load.read(self._keys.pop(key), now, learn=False)
        place.load.drop(context)
        if fleet and fleet.places.get(news.endpoint) is place:
            fleet.index.put(news.endpoint, prompt, output=news.output)

    def lost(self, source: str, now: float) -> None:
        """Forget the requests of a router that has gone."""
        for key in [key for key in self._heard if key[0] == source]:
            place, context, _ = self._heard.pop(key)
            place.load.read(self._keys.pop(key), now, learn=False)
            place.load.drop(context)
