"""The clock of one exchange: the deadline of its phase, a client that doesn't read, signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from logits_shell.relay.policy import RelayOptions


class Watch:
    """Keeps the times of one exchange and says when the next of them is due.

    The hot path only notes times (`touched`); the connection's one timer finds out what is due when it fires.

    Args:
        loop: Its clock counts.
        options: The lengths.
        set_deadline: Arms the connection's timer, which then calls `passed`.
        give_up: Called when a client refused to read for too long.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: RelayOptions,
        *,
        set_deadline: Callable[[float | None], None],
        give_up: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._options = options
        self._set_deadline = set_deadline
        self._give_up = give_up
        self._since = self._last_sent = loop.time()
        self._limit: float | None = None
        self._expire: Callable[[], None] = give_up
        self._stalled_since: float | None = None
        self._show_life: Callable[[], bool] | None = None

    def phase(self, seconds: float | None, expire: Callable[[], None]) -> None:
        """Begin a phase in which `seconds` without a `heard` or `touched` call `expire`; None: no limit."""
        self._since = self._loop.time()
        self._limit = seconds
        self._expire = expire
        self._arm()

    def heard(self) -> None:
        """Note that the one who was waited for did something."""
        self._since = self._loop.time()

    def touched(self) -> None:
        """Note that the upstream spoke and its bytes were sent on."""
        self._since = self._last_sent = self._loop.time()

    def stalled(self, stalled: bool) -> None:
        """Note whether the client refuses to read; the phase's own limit rests meanwhile."""
        self._since = self._loop.time()
        self._stalled_since = self._since if stalled else None
        self._arm()

    def life(self, show: Callable[[], bool] | None) -> None:
        """Call `show` after each silence; it returns False when there is no sign of life to give."""
        self._show_life = show
        self._last_sent = self._loop.time()

    def stop(self) -> None:
        """Take every deadline back."""
        self._limit = self._show_life = self._stalled_since = None
        self._set_deadline(None)

    def passed(self) -> None:
        """Act on what is due now and arm the next."""
        now = self._loop.time()
        if self._stalled_since is not None:
            if now >= self._stalled_since + self._options.write_seconds:
                self._give_up()
                return
        elif self._limit is not None and now >= self._since + self._limit:
            self._expire()
            return
        elif self._show_life and now >= self._last_sent + self._options.sign_of_life_seconds:
            self._last_sent = now
            if not self._show_life():
                self._show_life = None
        self._arm()

    def _arm(self) -> None:
        due: list[float] = []
        if self._stalled_since is not None:
            due.append(self._stalled_since + self._options.write_seconds)
        else:
            if self._limit is not None:
                due.append(self._since + self._limit)
            if self._show_life is not None:
                due.append(self._last_sent + self._options.sign_of_life_seconds)
        self._set_deadline(min(due, default=None))
