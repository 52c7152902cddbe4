"""The oracle: sees every engine's cache, queue and remaining work at this very moment, which no router can.

It takes the engine where the request's own time and the time that it costs the others are least, by the
engines' true step equation and the answer's true length. Greedy, so an upper bound in practice rather than in
theory.
"""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.simulation.engine import Engine
from logits_core.simulation.policy import Policy
from logits_core.simulation.requests import Request


def prefill_seconds(engine: Engine, cached: int, tokens: int) -> float:
    """Return how long an engine takes to read `tokens` after `cached` ones."""
    profile = engine.profile
    return profile.per_prompt_token * tokens + profile.attention * tokens * (2 * cached + tokens)


class Oracle(Policy):
    """Least true cost."""

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return it."""
        return min(ready, key=lambda number: self._cost(self.view.engines[number], request))

    def _cost(self, engine: Engine, request: Request) -> float:
        profile = engine.profile
        cached = engine.cache.matched(request.spans)
        missing = max(1, request.prompt_tokens - cached)
        ahead = sum(prefill_seconds(engine, done, left) for done, left in engine.backlog())
        own = prefill_seconds(engine, cached, missing)
        running = engine.running + len(engine.waiting)
        length = request.prompt_tokens + request.output_tokens / 2
        decode = request.output_tokens * profile.per_context * (engine.context + length * (1 + running))
        return ahead + own * (1 + running) + decode
