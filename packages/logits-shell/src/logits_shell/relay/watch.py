"""The clock of a connection's exchanges: the deadline of a phase, a client that doesn't read, signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from logits_shell.relay.deadlines import NEVER, Deadline
from logits_shell.relay.options import RelayOptions

_SLACK = 0.002
"""Seconds that a timer may be early and still count; timers of the loop are that coarse."""


def _nothing() -> None:
    pass


class Watch(Deadline):
    """Keeps the times of one exchange after the other, on the one timer of their connection.

    The hot path only notes times (`touched`); the timer finds out what is due when it fires.

    Args:
        loop: Its clock counts.
        options: The lengths.
        callback: Called when something may be due; the owner calls `passed` while an exchange is under way.
    """

    __slots__ = ("_expire", "_give_up", "_last_sent", "_limit", "_options", "_show_life", "_since", "_stalled_since")

    def __init__(self, loop: asyncio.AbstractEventLoop, options: RelayOptions, callback: Callable[[], None]) -> None:
        super().__init__(loop, callback)
        self._options = options
        self._since = self._last_sent = 0.0
        self._limit: float | None = None
        self._expire = self._give_up = _nothing
        self._stalled_since: float | None = None
        self._show_life: Callable[[], bool] | None = None

    def begin(self, give_up: Callable[[], None], show_life: Callable[[], bool] | None) -> None:
        """Begin an exchange.

        Args:
            give_up: Called when a client refused to read for too long.
            show_life: Called after each silence; it returns False when there is no sign of life to give.
        """
        self._since = self._last_sent = self._loop.time()
        self._give_up = give_up
        self._show_life = show_life

    def phase(self, seconds: float | None, expire: Callable[[], None]) -> None:
        """Begin a phase in which `seconds` without a `heard` or `touched` call `expire`; None: no limit."""
        self._since = now = self._loop.time()
        self._limit = seconds
        self._expire = expire
        if seconds is None or self._stalled_since is not None or self._show_life is not None:
            self._arm_what_is_due()
        else:
            self.set(now + seconds)

    def heard(self, size: int) -> None:
        """Note that the client sent `size` bytes; whoever sends too few in too long a time isn't waited for."""
        earned = self._since + size / self._options.body_rate
        self._since = min(self._loop.time(), earned)

    def touched(self) -> None:
        """Note that the upstream spoke and its bytes were sent on."""
        self._since = self._last_sent = self._loop.time()

    def stalled(self, stalled: bool) -> None:
        """Note whether the client refuses to read; the phase's own limit rests meanwhile."""
        self._since = self._loop.time()
        self._stalled_since = self._since if stalled else None
        self._arm_what_is_due()

    def lifeless(self) -> None:
        """Give no more signs of life."""
        self._show_life = None

    def stop(self) -> None:
        """Take every deadline of the exchange back."""
        self._limit = self._show_life = self._stalled_since = None
        # These hold the exchange, which would otherwise live until the next one.
        self._expire = self._give_up = _nothing
        self._at = NEVER

    def passed(self) -> None:
        """Act on what is due now and arm the next."""
        now = self._loop.time() + _SLACK
        if self._stalled_since is not None:
            if now >= self._stalled_since + self._options.write_seconds:
                self._give_up()
                return
        elif self._limit is not None and now >= self._since + self._limit:
            self._expire()
            return
        elif self._show_life and now >= self._last_sent + self._options.sign_of_life_seconds:
            self._last_sent = now - _SLACK
            if not self._show_life():
                self._show_life = None
        self._arm_what_is_due()

    def _arm_what_is_due(self) -> None:
        due = NEVER if self._limit is None else self._since + self._limit
        if self._stalled_since is not None:
            due = self._stalled_since + self._options.write_seconds
        elif self._show_life is not None:
            due = min(due, self._last_sent + self._options.sign_of_life_seconds)
        self.set(due)
