"""Delivery: what the answer to a batch means, and how long to wait before the next attempt."""

from __future__ import annotations

from enum import StrEnum

RETRIED = frozenset({401, 403, 404, 408, 425, 429})
"""Client errors that mend themselves: a token or an environment that is being set up, an overload."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
LONGEST_ASKED = 300.0


class Verdict(StrEnum):
    """What becomes of a batch after an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    QUARANTINE = "quarantine"


def verdict(status: int | None) -> Verdict:
    """Decide by HTTP status; None means that no answer came.

    Only a refusal of the content itself quarantines a batch, so that one bad batch never blocks
    the ones behind it and is never taken for delivered.
    """
    if status is not None and 200 <= status < 300:
        return Verdict.DELIVERED
    if status is None or status >= 500 or status in RETRIED:
        return Verdict.RETRY
    return Verdict.QUARANTINE


def pause_before_retry(failures: int, asked: float | None, jitter: float) -> float:
    """Seconds to wait after the n-th failure in a row.

    Args:
        failures: failures so far, at least 1.
        asked: Retry-After of the answer in seconds, if it had one.
        jitter: a number in [0, 1); pauses vary by half so that a fleet doesn't return at once.
    """
    grown = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 16))
    return max(grown * (0.5 + jitter / 2), min(asked or 0.0, LONGEST_ASKED))
