"""Changes: wakes the long polls and event streams that wait for one environment."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio

from logits_core.errors import ErrorCode, LogitsError


class Watch:
    """One waiter's view: changes that happen while it looks elsewhere are not lost."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def wake(self) -> None:
        """Tell the waiter that something changed."""
        self._changed.set()

    async def next(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for a change since the last call; False when none came."""
        with anyio.move_on_after(seconds):
            await self._changed.wait()
        changed = self._changed.is_set()
        self._changed = anyio.Event()
        return changed


class Changes:
    """Waiters by environment, at most ``limit`` of them.

    Args:
        limit: waiters at once; more are refused with a time to come back.
        on_count: told the number of waiters whenever it changes.
        on_refused: called for every waiter that is refused.
    """

    def __init__(self, limit: int, *, on_count: Callable[[int], None], on_refused: Callable[[], None]) -> None:
        self._limit = limit
        self._on_count = on_count
        self._on_refused = on_refused
        self._watches: dict[str, set[Watch]] = {}
        self._count = 0
        self.closing = False

    @contextmanager
    def watch(self, environment: str) -> Generator[Watch]:
        """Wait on one environment inside the block.

        Raises:
            LogitsError: NO_CAPACITY when too many wait already.
        """
        if self._count >= self._limit:
            self._on_refused()
            raise LogitsError(ErrorCode.NO_CAPACITY, "too many callers wait; come back later", retry_after=30)
        watch = Watch()
        self._watches.setdefault(environment, set()).add(watch)
        self._add(1)
        try:
            yield watch
        finally:
            self._add(-1)
            remaining = self._watches[environment]
            remaining.discard(watch)
            if not remaining:
                del self._watches[environment]

    def _add(self, difference: int) -> None:
        self._count += difference
        self._on_count(self._count)

    def publish(self, *environments: str) -> None:
        """Wake everybody who waits on these environments."""
        for environment in environments:
            for watch in self._watches.get(environment, ()):
                watch.wake()

    def close(self) -> None:
        """Wake everybody for good: waiters see ``closing`` and answer at once."""
        self.closing = True
        self.publish(*self._watches)
