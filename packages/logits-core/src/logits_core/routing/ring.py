"""The ring: for every mark, an order of endpoints that all routers agree on without talking."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from math import exp, log

from xxhash import xxh3_64_intdigest

POINTS = 32
"""Points of each endpoint; they only choose the candidates, so coarse shares do no harm."""

CANDIDATES = 8
REMEMBERED = 1024
"""Marks whose homes are remembered: few prompts begin differently, and weights change seldom."""

MASK = (1 << 64) - 1
MIXER = 0x9E3779B97F4A7C15
SPACE_LOG = log(1 << 64)

GRAIN = 1.01
"""Weights are powers of it: routers that have read slightly different reports have the same weights nearly always."""

SMOOTHING_SECONDS = 1200.0
"""How slowly weights follow reports. A weight that moves takes prefixes from where they are cached, and routers that
read reports at different moments part ways; bursts are left to the choice, which looks at the load of the moment.
"""

SPARE = 4.0
"""Requests added to every load, so that a nearly idle fleet keeps even weights."""


class Ring:
    """Weighted rendezvous among a consistent-hashing ring's candidates.

    An endpoint that comes or goes moves its own share and hardly more. One that is busier than the others for
    long loses part of its share, the same prefixes for every router, because all routers read the same reports.

    Args:
        names: The endpoints' ids.
        before: The ring until now: what it has learned of those that stay is kept.
    """

    def __init__(self, names: Iterable[str], before: Ring | None = None) -> None:
        self._salts = {name: xxh3_64_intdigest(name.encode()) for name in names}
        points = sorted(
            (xxh3_64_intdigest(f"{name}\x00{n}".encode()), name) for name in self._salts for n in range(POINTS)
        )
        self._hashes = [point for point, _ in points]
        self._names = [name for _, name in points]
        self._loads = _kept(self._salts, before._loads if before else {})
        self._memory = _kept(self._salts, before._memory if before else {})
        self._read = _kept(self._salts, before._read if before else {})
        weights: Mapping[str, float] = before._weights if before else {}
        self._weights = {name: weights.get(name, 1.0) for name in self._salts}
        self._found: dict[tuple[int, int], list[str]] = {}
        self._table = self._weighed()

    def report(self, name: str, requests: float, memory: float, now: float) -> None:
        """Take in what an endpoint says of itself.

        Args:
            name: Its id.
            requests: How many it has, of all routers.
            memory: Share of its cache that they use, or would if it had room for those that wait.
            now: The caller's clock, seconds.
        """
        if name not in self._loads:
            return
        share = 1.0 - exp(-max(0.0, now - self._read[name]) / SMOOTHING_SECONDS)
        self._read[name] = now
        self._loads[name] += share * (requests - self._loads[name])
        self._memory[name] += share * (memory - self._memory[name])
        count = len(self._loads)
        mean = sum(self._loads.values()) / count + SPARE
        used = sum(self._memory.values()) / count
        # The fuller the fleet's memory, the more it is what counts: whoever keeps too many prefixes serves few
        # requests, and would be given even more prefixes for that.
        relative = (self._loads[name] + SPARE) / mean
        if used > 0:
            counts = min(1.0, used)
            relative += counts * (self._memory[name] / used - relative)
        weight = GRAIN ** round(log(min(2.0, max(0.5, 1.0 / max(relative, 0.01))), GRAIN))
        if weight != self._weights[name]:
            self._weights[name] = weight
            self._table = self._weighed()
            self._found.clear()

    def homes(self, mark: int, count: int) -> list[str]:
        """Return up to `count` different endpoints for `mark`, the preferred one first."""
        found = self._found.get((mark, count))
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[mark, count] = self._ranked(mark, count)
        return found

    def _ranked(self, mark: int, count: int) -> list[str]:
        table = self._table
        near = table.items() if len(table) <= CANDIDATES else [(name, table[name]) for name in self._near(mark)]
        ranked = [
            (log(((mark ^ salt) * MIXER & MASK) + 1.0) * share - SPACE_LOG * share, name)
            for name, (salt, share) in near
        ]
        ranked.sort()
        return [name for _, name in ranked[:count]]

    def _weighed(self) -> dict[str, tuple[int, float]]:
        return {name: (salt, -1.0 / self._weights[name]) for name, salt in self._salts.items()}

    def _near(self, mark: int) -> Iterable[str]:
        size, start = len(self._names), bisect_right(self._hashes, mark)
        found: dict[str, None] = {}
        for step in range(size):
            found[self._names[(start + step) % size]] = None
            if len(found) == CANDIDATES:
                break
        return found


def _kept(names: Iterable[str], before: Mapping[str, float]) -> dict[str, float]:
    """Return what was known of those that stay; newcomers are taken to be like them on average."""
    known = [before[name] for name in names if name in before]
    usual = sum(known) / len(known) if known else 0.0
    return {name: before.get(name, usual) for name in names}
