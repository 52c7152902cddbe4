"""One cheap, movable deadline: moving it later costs an assignment, not a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

NEVER = float("inf")
"""A time that doesn't come."""


class Deadline:
    """Calls back once its time has come; times are those of the event loop's clock in seconds.

    A deadline that moves with every chunk would fill the loop's heap with cancelled timers. This one keeps
    at most one timer and, when that fires early, arms the next for what is left.
    """

    __slots__ = ("_at", "_callback", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._at = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER

    def set(self, at: float | None) -> None:
        """Move the deadline to `at`, or take it back with None."""
        self._at = NEVER if at is None else at
        if self._timer_at <= self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._arm()

    def cancel(self) -> None:
        """Take the deadline back and let go of the timer."""
        self._at = self._timer_at = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer_at = self._at
        self._timer = self._loop.call_at(self._at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._timer_at = NEVER
        if self._at == NEVER:
            return
        # Timers of a coarse clock may fire a moment early; a millisecond more or less is no deadline.
        if self._loop.time() + 0.001 < self._at:
            self._arm()
            return
        self._at = NEVER
        self._callback()
