"""The usage recorder: writes what was used, hour by hour, and lets go of what is too old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import anyio

from logits_api_server.metrics import Metrics
from logits_core.errors import LogitsError
from logits_core.redaction import Identifier
from logits_core.usage import Counts, UsageLedger, hour_of
from logits_shell.log import Logger

LAST_WRITE_SECONDS = 3.0
"""Time for the last write when the process stops."""


class UsageStore(Protocol):
    """Where usage is kept."""

    async def write(self, hour: str, rows: Mapping[tuple[str, str], Counts]) -> None:
        """Replace this process' figures of an hour.

        Raises:
            LogitsError: they could not be kept now.
        """
        ...

    async def prune(self, months: frozenset[str]) -> None:
        """Delete what is of other months than these, such as `2026-11`.

        Raises:
            LogitsError: it could not be done now.
        """
        ...


class UsageRecorder:
    """Writes at most every `pause` seconds, the last time when it's cancelled.

    Args:
        ledger: The figures.
        store: Where they go.
        pause: Between two writings, seconds.
        months: Calendar months kept.
        now: The wall clock.
        metrics: Counts what could not be written.
        log: Told when writing begins to fail and when it works again.
    """

    def __init__(
        self,
        ledger: UsageLedger,
        store: UsageStore,
        *,
        pause: float,
        months: int,
        now: Callable[[], datetime],
        metrics: Metrics,
        log: Logger,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._pause = pause
        self._months = months
        self._now = now
        self._metrics = metrics
        self._log = log
        self._failing = False
        self._pruned = ""

    async def run(self) -> None:
        """Write for ever."""
        try:
            while True:
                await anyio.sleep(self._pause)
                await self.write()
        finally:
            with anyio.move_on_after(LAST_WRITE_SECONDS, shield=True):
                await self.write()

    async def write(self) -> None:
        """Write every hour that changed."""
        for hour in self._ledger.unwritten:
            try:
                await self._store.write(hour, self._ledger.rows(hour))
            except LogitsError as error:
                self._ledger.failed(hour)
                self._failed(error)
                return
        if self._failing:
            self._log.info("usage is written again")
            self._failing = False
        now = self._now()
        self._ledger.forget(before=hour_of(now))
        await self._prune(now)

    async def _prune(self, now: datetime) -> None:
        day = hour_of(now)[:10]
        if day == self._pruned:
            return
        try:
            await self._store.prune(kept_months(now, self._months))
            self._pruned = day
        except LogitsError as error:
            self._failed(error)

    def _failed(self, error: LogitsError) -> None:
        self._metrics.usage_lost.inc()
        if not self._failing:
            self._log.warning(
                "usage could not be written ({code}): {reason}",
                code=Identifier(error.code.value),
                reason=error.message,
            )
        self._failing = True


def kept_months(now: datetime, count: int) -> frozenset[str]:
    """Return the last `count` calendar months, this one included, and the next, for clocks that differ."""
    index = now.year * 12 + now.month - 1
    return frozenset(f"{n // 12:04}-{n % 12 + 1:02}" for n in range(index - count + 1, index + 2))
