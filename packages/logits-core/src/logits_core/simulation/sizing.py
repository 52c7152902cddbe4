"""Sizing: the fewest engines that serve a workload within a target, found by simulating fleets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from logits_core.simulation.outcome import Summary


@dataclass(frozen=True, slots=True)
class Target:
    """What users are promised.

    Attributes:
        first_p90: Seconds to the first token that nine of ten requests keep.
        token_p99: Mean seconds between tokens that 99 of 100 requests keep; None for any.
    """

    first_p90: float
    token_p99: float | None = None

    def met(self, summary: Summary) -> bool:
        """Say whether a run kept it, without any failed request."""
        fast = summary.first_p90 <= self.first_p90
        smooth = self.token_p99 is None or summary.token_p99 <= self.token_p99
        return fast and smooth and not summary.failed


@dataclass(frozen=True, slots=True)
class Sizing:
    """The answer, with every fleet that was tried.

    Attributes:
        engines: The fewest that keep the target; None when even the most don't.
        tried: Figures by number of engines.
    """

    engines: int | None
    tried: dict[int, Summary]


def engines_needed(simulate: Callable[[int], Summary], target: Target, most: int = 256) -> Sizing:
    """Search the fewest engines: doubling until the target is kept, then halving the gap.

    Args:
        simulate: Runs the workload on so many engines.
        target: What has to be kept.
        most: No larger fleet is tried.
    """
    tried: dict[int, Summary] = {}

    def keeps(engines: int) -> bool:
        tried[engines] = simulate(engines)
        return target.met(tried[engines])

    high = 1
    while not keeps(high):
        if high >= most:
            return Sizing(None, dict(sorted(tried.items())))
        high = min(most, high * 2)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return Sizing(high, dict(sorted(tried.items())))
