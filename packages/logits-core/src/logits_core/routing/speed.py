"""The speed of endpoints, learned: straight lines through what answers took, and a factor for each endpoint."""

from __future__ import annotations

import math

FORGETTING_SECONDS = 60.0
"""How long what was seen of one endpoint counts; one that seemed slow is tried again after a while."""

DOUBT = 4.0
"""Answers' worth of belief that an endpoint is as fast as the rest of its fleet."""

FARTHEST = 10.0

FIRST_WEIGHT = 4.0
"""How many points count as much as what is assumed before any."""

FADING = 0.01
"""Share of all weight that a new point takes away from the old ones."""


class Line:
    """A straight line fitted to points as they come; old points fade.

    Args:
        intercept: Of the line before any point.
        slope: Of the line before any point.
        scale: A typical x; the first line counts like `weight` points between 0 and twice this.
        weight: How many points the first line counts for.
        fading: Share of all weight that a new point takes away from the old ones.

    Attributes:
        intercept: y at 0, never negative.
        slope: Never negative.
    """

    __slots__ = ("_fading", "_weight", "_x", "_xx", "_xy", "_y", "intercept", "slope")

    def __init__(
        self, intercept: float, slope: float, scale: float, *, weight: float = FIRST_WEIGHT, fading: float = FADING
    ) -> None:
        self.intercept = intercept
        self.slope = slope
        self._fading = fading
        square = scale * scale * 4.0 / 3.0
        self._weight = weight
        self._x = weight * scale
        self._y = weight * (intercept + slope * scale)
        self._xx = weight * square
        self._xy = weight * (intercept * scale + slope * square)

    @property
    def weight(self) -> float:
        """How many points it rests on, those that have faded counted for less."""
        return self._weight

    def at(self, x: float) -> float:
        """Return the line's y."""
        return self.intercept + self.slope * x

    def add(self, x: float, y: float, weight: float = 1.0) -> None:
        """Take in a point."""
        keep = 1.0 - self._fading * weight
        self._weight = self._weight * keep + weight
        self._x = self._x * keep + x * weight
        self._y = self._y * keep + y * weight
        self._xx = self._xx * keep + x * x * weight
        self._xy = self._xy * keep + x * y * weight
        spread = self._weight * self._xx - self._x * self._x
        slope = (self._weight * self._xy - self._x * self._y) / spread if spread > 0 else self.slope
        intercept = (self._y - slope * self._x) / self._weight
        if slope < 0:
            slope, intercept = 0.0, self._y / self._weight
        elif intercept < 0:
            slope, intercept = self._xy / self._xx, 0.0
        self.slope, self.intercept = slope, intercept


class Average:
    """An average of values as they come; old ones fade.

    Args:
        value: What it is before any value.

    Attributes:
        value: The average.
    """

    __slots__ = ("_weight", "value")

    def __init__(self, value: float) -> None:
        self.value = value
        self._weight = FIRST_WEIGHT

    def add(self, value: float, weight: float) -> None:
        """Take in a value."""
        self._weight = self._weight * (1.0 - FADING * weight) + weight
        self.value += weight / self._weight * (value - self.value)


class Factor:
    """How many times slower than its fleet one endpoint is.

    It begins at one and goes back there while nothing is seen, so a slow answer or two never take an endpoint
    out of the choice for good, and one that joins is taken to be like the others.

    Attributes:
        value: The factor, 1/10 to 10.
    """

    __slots__ = ("_at", "_seen", "_weight", "value")

    def __init__(self) -> None:
        self.value = 1.0
        self._seen = 0.0
        self._weight = 0.0
        self._at = 0.0

    def fade(self, now: float) -> None:
        """Let what was seen before count less (seconds of the caller's clock)."""
        keep = math.exp(min(0.0, self._at - now) / FORGETTING_SECONDS)
        self._at = now
        self._seen *= keep
        self._weight *= keep
        self._update()

    def add(self, ratio: float, weight: float) -> None:
        """Take in how many times longer than the fleet's something took."""
        self._seen += weight * min(FARTHEST, max(1.0 / FARTHEST, ratio))
        self._weight += weight
        self._update()

    def _update(self) -> None:
        self.value = (DOUBT + self._seen) / (DOUBT + self._weight)
