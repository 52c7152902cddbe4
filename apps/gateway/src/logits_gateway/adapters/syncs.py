"""Syncs of the audit log's file: one at a time, for everybody who wrote before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from logits_gateway.adapters.kernel_sync import FileSync


class Syncs:
    """Tells how much of a growing log the disk has.

    Args:
        size: how many entries it has already.
        written: how many entries are written so far.
        file: the descriptor that entries are written to now.
        disk: syncs it.
    """

    def __init__(self, size: int, *, written: Callable[[], int], file: Callable[[], int], disk: FileSync) -> None:
        self._synced = size
        self._written = written
        self._file = file
        self._disk = disk
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._running = False

    async def reach(self, size: int) -> None:
        """Return when the disk has the first `size` entries.

        Raises:
            OSError: the sync failed, and nobody knows what the disk holds.
        """
        if self._synced >= size:
            return
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        self._waiting.append((size, mine))
        if not self._running:
            self._begin(loop)
        await mine

    def close(self) -> None:
        """Let go of the disk."""
        self._disk.close()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._running = True
        # What is written from now on may or may not be in this sync.
        self._disk.begin(loop, self._file(), partial(self._ended, loop, self._written()))

    def _ended(self, loop: asyncio.AbstractEventLoop, reached: int, error: OSError | None) -> None:
        self._running = False
        waiting, self._waiting = self._waiting, []
        if error is not None:
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
            self._begin(loop)
