"""KubeAI's prefix hash: consistent hashing with bounded loads over the first message's beginning.

Source: kubeai `internal/loadbalancer/balance_chwbl.go`, `api/k8s/v1/model_types.go`. Defaults: replication 256,
mean load factor 1.25, prefix of 100 characters of the first user message. Counters belong to each replica.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from logits_core.simulation.policy import Counting, View
from logits_core.simulation.requests import Request

REPLICATION = 256
LOAD_FACTOR = 1.25


class KubeAI(Counting):
    """Walks the ring from the key's place to the first engine that isn't overloaded."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        points = sorted(
            (hash((engine + 1, number)) % 2**61, engine)
            for engine in range(len(view.profiles))
            for number in range(REPLICATION)
        )
        self._hashes = [point for point, _ in points]
        self._engines = [engine for _, engine in points]

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the first engine on the walk within the bound; the first ready one when none is."""
        bound = LOAD_FACTOR * (sum(self.in_flight) + 1) / len(ready)
        start = bisect_left(self._hashes, hash((request.first_message, request.adapter)) % 2**61)
        default = -1
        for step in range(len(self._engines)):
            engine = self._engines[(start + step) % len(self._engines)]
            if engine not in ready:
                continue
            if self.in_flight[engine] + 1 <= bound:
                return engine
            default = engine if default < 0 else default
        return default
