"""Syncs of the audit log's file: one at a time, in a thread of their own, for everybody who wrote before."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue


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
        # A thread with a queue, and no futures between: a change waits here twice.
        self._jobs: SimpleQueue[tuple[asyncio.AbstractEventLoop, int, int] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="audit-log", daemon=True)
        self._thread.start()

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
        self._jobs.put(None)
        self._thread.join()

    def _begin(self) -> None:
        self._running = True
        self._jobs.put((asyncio.get_running_loop(), self._file(), self._written()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, file, reached = job
            error: OSError | None = None
            try:
                os.fsync(file)
            except OSError as failure:
                error = failure
            with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits
                loop.call_soon_threadsafe(self._ended, reached, error)

    def _ended(self, reached: int, error: OSError | None) -> None:
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
            self._begin()
