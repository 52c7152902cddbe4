"""Back-off: how long to wait after failures, doubled up to a bound and spread by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Pauses between attempts, in seconds.

    Args:
        first: the first pause.
        longest: the bound.
        jitter: numbers in [0, 1); half of each pause is left to chance, so that many don't return at once.
    """

    first: float = 1.0
    longest: float = 60.0
    jitter: Callable[[], float] = random.random
    _failures: int = 0

    def succeeded(self) -> None:
        """Start again with the first pause after the next failure."""
        self._failures = 0

    def failed(self, *, asked: float | None = None) -> float:
        """The pause after one more failure, at least what the other side asked for within the bound."""
        pause = min(self.longest, self.first * 2 ** min(self._failures, 16))
        self._failures += 1
        return max(pause * (0.5 + self.jitter() / 2), min(asked or 0.0, self.longest))
