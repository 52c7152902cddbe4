"""The retry budget: what may be tried again is a share of what is tried, so that failures don't multiply."""

from __future__ import annotations


class RetryBudget:
    """Every request pays in a share of a retry; a retry takes a whole one.

    Args:
        share: Retries per request, over time.
        most: Retries that can be saved up; there are as many at the start.
    """

    __slots__ = ("_left", "_most", "_share")

    def __init__(self, share: float = 0.2, most: float = 100.0) -> None:
        self._share = share
        self._most = most
        self._left = most

    def request(self) -> None:
        """Note a request's first attempt."""
        self._left = min(self._most, self._left + self._share)

    def retry(self) -> bool:
        """Take a retry, if there is one left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
