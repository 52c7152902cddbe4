"""Throttle: bounds how often one address may try or be written to, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Throttle:
    """At most ``limit`` events per key within ``seconds``; the keys used longest ago are forgotten.

    Args:
        limit: events within the window.
        seconds: length of the window.
        clock: seconds since the epoch.
        keys: keys remembered at once.
    """

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float], *, keys: int = 10_000) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._keys = keys
        self._events: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until the key may go on; 0 when it may now."""
        events = self._recent(key)
        if len(events) < self._limit:
            return 0.0
        return max(0.0, events[-self._limit] + self._seconds - self._clock())

    def note(self, key: str) -> None:
        """Count one event."""
        events = self._recent(key)
        events.append(self._clock())
        self._events[key] = events[-self._limit :]
        self._events.move_to_end(key)
        while len(self._events) > self._keys:
            self._events.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget a key, because it proved itself."""
        self._events.pop(key, None)

    def _recent(self, key: str) -> list[float]:
        since = self._clock() - self._seconds
        return [at for at in self._events.get(key, []) if at > since]
