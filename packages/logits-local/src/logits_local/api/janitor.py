"""The API server's own background work: garbage, namespaces' furniture and the bound on Events."""

from __future__ import annotations

import asyncio

from logits_local.api.bootstrap import Furnisher
from logits_local.api.removal import Remover, needs_sweep
from logits_local.api.resources import resource
from logits_local.api.store import Change, Store

EVENTS_KEPT = 1000
"""Event objects kept; the oldest go first."""


class Janitor:
    """Tidies after changes; idle while nothing changes."""

    def __init__(self, store: Store, remover: Remover, furnisher: Furnisher) -> None:
        self._store = store
        self._remover = remover
        self._furnisher = furnisher
        self._woken = asyncio.Event()
        self._bare: set[str] = set()
        store.observe(self._notice)

    def _notice(self, change: Change) -> None:
        namespace = self._furnisher.needs_furniture(change)
        if namespace:
            self._bare.add(namespace)
        new_event = change.current["kind"] == "Event" and change.previous is None
        if namespace or new_event or needs_sweep(change):
            self._woken.set()

    async def run(self) -> None:
        """Tidy until cancelled."""
        while True:
            self.tidy()
            await self._woken.wait()
            self._woken.clear()

    def tidy(self) -> None:
        """Do what there is to do."""
        while self._bare:
            self._furnisher.furnish_namespace(self._bare.pop())
        self._remover.sweep()
        events = self._store.objects(resource("events"))
        events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        for event in events[: max(len(events) - EVENTS_KEPT, 0)]:
            self._store.remove(resource("events"), event)
