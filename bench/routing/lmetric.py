"""LMetric: prompt tokens to compute times requests under way, the least product wins; it has no knobs.

Source: arXiv 2603.15202. With cache events (here without delay); the pending prefill counts as tokens to
compute, requests are those of this replica plus what the engine reported of others.
"""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.simulation.policy import Answer, Counting, View
from logits_core.simulation.requests import Request


class LMetric(Counting):
    """(uncached prefill tokens) * (batch size)."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._pending = [0] * len(view.profiles)
        self._charged: dict[int, int] = {}

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the least product, ties at random."""
        costs = [
            (self._pending[engine] + self._missing(request, engine)) * (self.in_flight[engine] + 1) for engine in ready
        ]
        least = min(costs)
        best = [engine for engine, cost in zip(ready, costs, strict=True) if cost == least]
        return best[self.view.pick(len(best))]

    def _missing(self, request: Request, engine: int) -> int:
        return max(1, request.prompt_tokens - self.view.engines[engine].cache.matched(request.spans))

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Charge it."""
        super().sent(request, engine, now)
        self._charged[id(request)] = self._missing(request, engine)
        self._pending[engine] += self._charged[id(request)]

    def first_token(self, request: Request, engine: int, now: float) -> None:
        """Drop the prefill charge."""
        self._pending[engine] -= self._charged.pop(id(request), 0)

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        """Uncount it."""
        super().done(request, engine, answer, now)
        self.first_token(request, engine, now)

    def failed(self, request: Request, engine: int, now: float) -> None:
        """Uncount it."""
        super().failed(request, engine, now)
        self.first_token(request, engine, now)
