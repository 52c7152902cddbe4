"""AIBrix's prefix cache: the best match within one standard deviation of the mean load.

Source: aibrix `algorithms/prefix_cache.go` (the code, not the readme). When running requests differ by more than
8, least request; else by match descending and running ascending, the first with running <= mean + 1 sigma.
Blocks of 128 characters, 200,000 of them; state belongs to each replica.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from logits_core.simulation.policy import Counting, View
from logits_core.simulation.requests import Request

BLOCK_TOKENS = 32
TABLE_BLOCKS = 200_000
IMBALANCE = 8


class AIBrix(Counting):
    """Prefix cache routing."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._table: OrderedDict[int, set[int]] = OrderedDict()
        self._blocks: tuple[int, ...] = ()

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the best match that isn't too busy."""
        self._blocks = request.blocks(BLOCK_TOKENS)
        loads = [self.in_flight[engine] for engine in ready]
        if max(loads) - min(loads) > IMBALANCE:
            return self.least(ready)
        matches = self._matches()
        mean = sum(loads) / len(loads)
        most = mean + math.sqrt(sum((load - mean) ** 2 for load in loads) / len(loads))
        for engine in sorted(ready, key=lambda e: (-matches.get(e, 0), self.in_flight[e], self.view.chance())):
            if matches.get(engine, 0) and self.in_flight[engine] <= most:
                return engine
        return self.least(ready)

    def _matches(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for number, block in enumerate(self._blocks, 1):
            holders = self._table.get(block)
            if not holders:
                break
            for engine in holders:
                found[engine] = number
        return found

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Index the prompt."""
        super().sent(request, engine, now)
        for block in self._blocks:
            self._table.setdefault(block, set()).add(engine)
            self._table.move_to_end(block)
        while len(self._table) > TABLE_BLOCKS:
            self._table.popitem(last=False)
