"""Dynamo's KV router: prefill blocks still to compute plus decode blocks, the least cost wins.

Source: dynamo `docs/components/router/router-concepts.md`. cost = load_scale (1) * max(active prefill + prompt -
overlap, 0) + (active decode + request blocks); temperature 0. With cache events (here without delay). The
prefill charge is dropped at the first token. `LMetric` is its other cost: adjusted prefill * (decode + 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.simulation.policy import Answer, Policy, View
from logits_core.simulation.requests import Request

BLOCK = 16


class Dynamo(Policy):
    """Linear cost over what this replica has under way."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.prefill = [0] * len(view.profiles)
        self.decode = [0] * len(view.profiles)
        self._charged: dict[int, int] = {}

    def overlap(self, request: Request, engine: int) -> int:
        """Return how many of the prompt's tokens an engine holds."""
        return self.view.engines[engine].cache.matched(request.spans)

    def cost(self, request: Request, engine: int) -> float:
        """Return the cost of a request at an engine, in blocks."""
        missing = max(0, self.prefill[engine] + request.prompt_tokens - self.overlap(request, engine))
        return missing / BLOCK + (self.decode[engine] + request.prompt_tokens) / BLOCK

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the cheapest, ties at random."""
        costs = [self.cost(request, engine) for engine in ready]
        least = min(costs)
        best = [engine for engine, cost in zip(ready, costs, strict=True) if cost == least]
        return best[self.view.pick(len(best))]

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Charge it."""
        missing = request.prompt_tokens - self.overlap(request, engine)
        self._charged[id(request)] = missing
        self.prefill[engine] += missing
        self.decode[engine] += request.prompt_tokens

    def first_token(self, request: Request, engine: int, now: float) -> None:
        """Drop the prefill charge."""
        self.prefill[engine] -= self._charged.pop(id(request), 0)

    def done(self, request: Request, engine: int, answer: Answer, now: float) -> None:
        """Drop the decode charge."""
        self.decode[engine] -= request.prompt_tokens

    def failed(self, request: Request, engine: int, now: float) -> None:
        """Drop both."""
        self.first_token(request, engine, now)
        self.decode[engine] -= request.prompt_tokens
