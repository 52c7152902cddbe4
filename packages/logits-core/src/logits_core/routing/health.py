"""The health of one endpoint: when repeated failures take it out of the choice, and for how long."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Verdict(enum.Enum):
    """What a finished attempt says about its endpoint."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """A value: every event makes a new one.

    Attributes:
        failures: Bad attempts in a row.
        ejections: Ejections in a row; each lasts twice as long as the one before.
        ejected_until: Seconds of the caller's clock; the endpoint is out of the choice before it.
    """

    failures: int = 0
    ejections: int = 0
    ejected_until: float = 0.0

    def after(self, verdict: Verdict, now: float, *, threshold: int, first: float, longest: float) -> EndpointHealth:
        """Return the health after an attempt.

        Args:
            verdict: How the attempt went; `UNKNOWN` (the client left) changes nothing.
            now: The caller's clock, seconds.
            threshold: Failures in a row that eject.
            first: Seconds of the first ejection.
            longest: Seconds that no ejection exceeds.
        """
        if verdict is Verdict.UNKNOWN:
            return self
        if verdict is Verdict.GOOD:
            return self if self.failures == self.ejections == 0 else EndpointHealth()
        failures = self.failures + 1
        # One failed probe after an ejection is enough to eject again.
        if failures < threshold and self.ejections == 0:
            return replace(self, failures=failures)
        seconds = min(longest, first * 2 ** min(self.ejections, 20))
        return EndpointHealth(failures, self.ejections + 1, now + seconds)

    def allows(self, now: float, in_flight: int) -> bool:
        """Say whether a request may go there: one at a time while an ejected endpoint proves itself."""
        if self.ejections == 0:
            return True
        return now >= self.ejected_until and in_flight == 0
