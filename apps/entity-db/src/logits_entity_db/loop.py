"""The upkeep loop: it bounds the history and makes backups."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import anyio
import anyio.to_thread

from logits_core.errors import LogitsError
from logits_core.redaction import Count
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.adapters.writer import Writer
from logits_entity_db.metrics import Metrics
from logits_entity_db.settings import Settings
from logits_shell.log import Logger

UPKEEP_SECONDS: Final = 60.0
"""Pause between two looks at the history's length; within it the history may grow beyond its bound."""


class Upkeep:
    """Compacts the history every minute and backs the database up every ``backup_seconds``.

    Args:
        settings: the bounds.
        volume: where backups go.
        writer: compacts between two commits.
        metrics: told of both.
        log: told of both.
        now: returns the time, for the names of backups.
    """

    def __init__(
        self,
        settings: Settings,
        volume: Volume,
        writer: Writer,
        *,
        metrics: Metrics,
        log: Logger,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._volume = volume
        self._writer = writer
        self._metrics = metrics
        self._log = log
        self._now = now

    async def compact_for_ever(self) -> None:
        """Keep the history within its bound."""
        while True:
            try:
                forgotten = await self._writer.compact(self._settings.history_changes)
                self._metrics.changes_forgotten.inc(forgotten)
            except LogitsError as error:
                self._log.warning("the history could not be compacted: {reason}", reason=error.message)
            await anyio.sleep(UPKEEP_SECONDS)

    async def back_up_for_ever(self) -> None:
        """Make a backup now and then; a failed one is tried again at the next turn."""
        while True:
            await anyio.sleep(self._settings.backup_seconds)
            kept = self._settings.backups_kept
            try:
                await anyio.to_thread.run_sync(self._volume.back_up, self._now(), kept)
            except LogitsError as error:
                self._metrics.backups.labels("failed").inc()
                self._log.warning("no backup was made: {reason}", reason=error.message)
            else:
                self._metrics.backups.labels("ok").inc()
                self._log.info("backup made; the newest {kept} are kept", kept=Count(kept))
