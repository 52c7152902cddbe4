"""The pace of a queue: how long somebody who is sent away should stay away, from what was seen."""

from __future__ import annotations

import math

WEIGHT = 0.2
"""Share of the newest observation in the average."""
LONGEST_SECONDS = 120.0
"""More than this isn't promised; the stock SDKs give up on more."""


class Pace:
    """Learns how fast turns come, and how long a model takes to wake.

    Args:
        wake_seconds: Taken for a model's waking until one was seen.
    """

    def __init__(self, wake_seconds: float = 10.0) -> None:
        self._wake_seconds = wake_seconds
        self._turn_seconds: float | None = None
        self._last_turn: float | None = None
        self._asleep_since: float | None = None

    def turn(self, now: float, *, still_waiting: bool) -> None:
        """Note that somebody's turn came, and whether others still wait."""
        if self._asleep_since is not None:
            self._wake_seconds = _moved(self._wake_seconds, now - self._asleep_since)
            self._asleep_since = None
        elif self._last_turn is not None:
            gap = now - self._last_turn
            self._turn_seconds = gap if self._turn_seconds is None else _moved(self._turn_seconds, gap)
        # The time until the next turn only tells the pace while somebody is there to take it.
        self._last_turn = now if still_waiting else None

    def asleep(self, now: float) -> None:
        """Note that nothing serves the model while somebody waits for it."""
        if self._asleep_since is None:
            self._asleep_since = now

    def retry_after(self, ahead: int, now: float) -> int:
        """Return the seconds after which a turn would come.

        Args:
            ahead: How many wait already.
            now: The clock, seconds.
        """
        seconds = (self._turn_seconds or 1.0) * (ahead + 1)
        if self._asleep_since is not None:
            # A model that takes longer than it used to is given as long again.
            since = now - self._asleep_since
            seconds = max(1.0, self._wake_seconds - since if since < self._wake_seconds else since)
        return math.ceil(min(LONGEST_SECONDS, max(1.0, seconds)))


def _moved(average: float, seen: float) -> float:
    return average + WEIGHT * (seen - average)
