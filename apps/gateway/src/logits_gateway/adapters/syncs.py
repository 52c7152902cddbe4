"""Syncs of the audit log's file: one at a time, in a thread of their own, for everybody who wrote before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial


class Syncs:
    """Tells how much of a growing log the disk has.

    Args:
        size: how many entries it has already.
        written: how many entries are written so far.
        file: the descriptor that entries are written to now.
    """

    def __init__(self, size: int, *, written: Callable[[], int], file: Callable[[], int]) -> None:
        self._synced = size
        self._written = written
        self._file = file
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._running = False
        self._thread = ThreadPoolExecutor(1, "audit-log")

    async def reach(self, size: int) -> None:
        """Return when the disk has the first `size` entries.

        Raises:
            OSError: the sync failed, and nobody knows what the disk holds.
        """
        if self._synced >= size:
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((size, mine))
        if not self._running:
            self._begin()
        await mine

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _begin(self) -> None:
        self._running = True
        sync = asyncio.get_running_loop().run_in_executor(self._thread, os.fsync, self._file())
        sync.add_done_callback(partial(self._ended, self._written()))

    def _ended(self, reached: int, sync: asyncio.Future[None]) -> None:
        self._running = False
        waiting, self._waiting = self._waiting, []
        if (error := sync.exception()) is not None:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        self._synced = max(self._synced, reached)
        for size, future in waiting:
            if size > self._synced:
                self._waiting.append((size, future))
            elif not future.done():
                future.set_result(None)
        if self._waiting:
            self._begin()
