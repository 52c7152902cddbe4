"""A bounded queue that is fair between keys: each key's turn comes round, whatever the others have waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(eq=False, slots=True)
class Place(Generic[ItemT]):
    """One turn in the queue.

    Attributes:
        model: What is waited for.
        key: Who waits.
        size: Bytes held while waiting.
        item: What the owner of the queue wants to find again.
    """

    model: str
    key: str
    size: int
    item: ItemT


@dataclass(frozen=True, slots=True)
class Full:
    """The queue has no room for somebody.

    Attributes:
        own_share: Whether it's the newcomer's own key that fills it.
    """

    own_share: bool


class FairQueue(Generic[ItemT]):
    """Turns for several models within common bounds.

    For each model the keys take turns. When the bound is reached, somebody whose key has fewer waiting than
    another's gets the newest turn of the one that has most, who is sent away.

    Args:
        limit: Turns, all models together.
        bytes_limit: Bytes that all turns may hold together.
    """

    def __init__(self, *, limit: int, bytes_limit: int) -> None:
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._models: dict[str, OrderedDict[str, deque[Place[ItemT]]]] = {}
        self._per_key: dict[str, int] = {}
        self.count = 0
        self.bytes = 0

    def join(self, place: Place[ItemT]) -> list[Place[ItemT]] | Full:
        """Queue up; returns those who are sent away for it, or that there is no room."""
        if self._limit == 0 or place.size > self._bytes_limit:
            return Full(own_share=False)
        displaced: list[Place[ItemT]] = []
        while self.count >= self._limit or self.bytes + place.size > self._bytes_limit:
            loser = self._newest_of_the_greediest(place.key)
            if loser is None:
                for back in reversed(displaced):
                    self._add(back)
                return Full(own_share=len(self._per_key) > 1)
            self.leave(loser)
            displaced.append(loser)
        self._add(place)
        return displaced

    def _add(self, place: Place[ItemT]) -> None:
        self._models.setdefault(place.model, OrderedDict()).setdefault(place.key, deque()).append(place)
        self._per_key[place.key] = self._per_key.get(place.key, 0) + 1
        self.count += 1
        self.bytes += place.size

    def _newest_of_the_greediest(self, newcomer: str) -> Place[ItemT] | None:
        if not self._per_key:
            return None
        key = max(self._per_key, key=self._per_key.__getitem__)
        # To take a turn from one who would then have fewer than the newcomer would only shift the harm.
        if key == newcomer or self._per_key[key] <= self._per_key.get(newcomer, 0) + 1:
            return None
        longest = max((keys[key] for keys in self._models.values() if key in keys), key=len)
        return longest[-1]

    def first(self, model: str) -> Place[ItemT] | None:
        """Return whose turn it is for a model."""
        keys = self._models.get(model)
        return next(iter(keys.values()))[0] if keys else None

    def leave(self, place: Place[ItemT]) -> bool:
        """Take somebody out; False when they aren't in it any more."""
        keys = self._models.get(place.model)
        line = keys.get(place.key) if keys else None
        if keys is None or line is None or place not in line:
            return False
        served = line[0] is place
        line.remove(place)
        if served:
            # The key has had its turn.
            keys.move_to_end(place.key)
        if not line:
            del keys[place.key]
        if not keys:
            del self._models[place.model]
        self._per_key[place.key] -= 1
        if not self._per_key[place.key]:
            del self._per_key[place.key]
        self.count -= 1
        self.bytes -= place.size
        return True

    def waiting_for(self, model: str) -> list[Place[ItemT]]:
        """Return all who wait for a model."""
        return [place for line in self._lines(model) for place in line]

    def length(self, model: str) -> int:
        """Return how many wait for a model."""
        return sum(map(len, self._lines(model)))

    def _lines(self, model: str) -> list[deque[Place[ItemT]]]:
        keys = self._models.get(model)
        return list(keys.values()) if keys else []

    @property
    def models(self) -> list[str]:
        """The models that somebody waits for."""
        return list(self._models)
