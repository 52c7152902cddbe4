"""A thread that syncs files, where the kernel doesn't do it by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

Ended = Callable[[OSError | None], None]


class ThreadSync:
    """Implements `FileSync` with a thread and a queue, and no futures between."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[asyncio.AbstractEventLoop, int, Ended] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="audit-log", daemon=True)
        self._thread.start()

    def begin(self, loop: asyncio.AbstractEventLoop, file: int, ended: Ended) -> None:
        """Hand a sync to the thread."""
        self._jobs.put((loop, file, ended))

    def close(self) -> None:
        """End the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, file, ended = job
            error: OSError | None = None
            try:
                os.fsync(file)
            except OSError as failure:
                error = failure
            with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody waits
                loop.call_soon_threadsafe(ended, error)
