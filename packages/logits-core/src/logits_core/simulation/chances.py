"""Random variables of the workloads, all from one source of numbers between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Iterator

from logits_core.simulation.policy import Chance


def exponential(chance: Chance, mean: float) -> float:
    """Return an exponentially distributed number."""
    return -mean * math.log(1.0 - chance())


def lognormal(chance: Chance, median: float, sigma: float) -> float:
    """Return a number whose logarithm is normal: half are below `median`, `sigma` sets the tail's weight."""
    normal = math.sqrt(-2.0 * math.log(1.0 - chance())) * math.cos(2.0 * math.pi * chance())
    return median * math.exp(sigma * normal)


def poisson(chance: Chance, rate: float, start: float, seconds: float) -> Iterator[float]:
    """Return the times of a Poisson process of `rate` a second."""
    at = start + exponential(chance, 1.0 / rate)
    while at < start + seconds:
        yield at
        at += exponential(chance, 1.0 / rate)


def zipf(chance: Chance, count: int, power: float = 1.0) -> int:
    """Return 0..count-1, each with a probability proportional to 1 / (number + 1) ** power."""
    if power == 1.0:
        # The inverse of the logarithm, near enough to the harmonic sums.
        return min(count - 1, int((count + 1) ** chance()) - 1)
    top = (count + 1) ** (1.0 - power) - 1.0
    return min(count - 1, int((1.0 + chance() * top) ** (1.0 / (1.0 - power))) - 1)
