"""A counter of changes that tasks can wait on: how caches wake control loops."""

from __future__ import annotations

import anyio


class Changes:
    """Counts changes and wakes whoever waits for the next one.

    It is level-triggered: a waiter that was busy learns once that something changed, however
    often it did, and looks at the caches itself. One object may be shared by many caches.
    """

    def __init__(self) -> None:
        self._count = 0
        self._next = anyio.Event()

    @property
    def count(self) -> int:
        """How many changes there have been."""
        return self._count

    def ring(self) -> None:
        """Record a change and wake all waiters."""
        self._count += 1
        self._next.set()
        self._next = anyio.Event()

    async def wait(self, after: int) -> int:
        """Return the count as soon as it is above ``after``; at once when it already is."""
        while self._count <= after:
            await self._next.wait()
        return self._count
