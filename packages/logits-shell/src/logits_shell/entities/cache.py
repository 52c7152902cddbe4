"""A cache of one kind: listed once, then followed through a watch for as long as it runs."""

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType

import anyio

from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.entities.client import EntityClient
from logits_shell.entities.notices import Notice

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class EntityCache:
    """The entities of one kind, as of a moment ago.

    Run it as a background task: ``group.start_soon(cache.run)``. Reads are plain dictionary look-ups. When
    the Entity DB is away the last known entities stay, and ``run`` connects again with a bounded pause.

    Args:
        client: speaks with the Entity DB.
        plural: the kind to follow, such as ``modeldeployments``.
        selector: follow only entities with these labels.
        on_interruption: told why the watch broke off, before each new attempt; for logs and health.
        on_connected: told when the watch speaks again after a list or an interruption.
        spread: returns 0..1; shortens each pause by up to half, so that clients don't return in step.

    Attributes:
        ready: set once the first list has arrived.
    """

    def __init__(
        self,
        client: EntityClient,
        plural: str,
        *,
        selector: str = "",
        on_interruption: Callable[[LogitsError], None] | None = None,
        on_connected: Callable[[], None] | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._plural = plural
        self._selector = selector
        self._on_interruption = on_interruption
        self._on_connected = on_connected
        self._spread = spread
        self._items: dict[str, Entity] = {}
        self._version: str | None = None
        self._connected = False
        self._listeners: set[_Listener] = set()
        self.ready = anyio.Event()

    @property
    def items(self) -> Mapping[str, Entity]:
        """The entities by name; a live view, so copy it before awaiting within a loop over it."""
        return MappingProxyType(self._items)

    async def run(self) -> None:
        """List, watch, and begin again whenever the watch ends; returns only by cancellation."""
        failures = 0
        while True:
            before = self._version
            try:
                await self._follow()
            except LogitsError as error:
                self._connected = False
                if error.code is ErrorCode.EXPIRED:
                    self._version = None
                if self._on_interruption:
                    self._on_interruption(error)
            failures = 0 if self._version not in (None, before) else failures + 1
            await anyio.sleep(self._pause(failures))

    async def changes(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the names that changed since the last time, all known ones first; within ``aclosing``.

        Changes that come while the caller works gather into one set, so a slow caller never lags behind.
        """
        listener = _Listener(set(self._items))
        self._listeners.add(listener)
        try:
            await self.ready.wait()
            yield listener.take()
            while True:
                await listener.wait()
                yield listener.take()
        finally:
            self._listeners.discard(listener)

    async def wait_until(self, condition: Callable[[Mapping[str, Entity]], bool]) -> None:
        """Return as soon as ``condition`` holds for the entities; bound it with ``anyio.fail_after``."""
        async with aclosing(self.changes()) as changes:
            async for _ in changes:
                if condition(self.items):
                    return

    async def _follow(self) -> None:
        if self._version is None:
            entities, version = await self._client.list(self._plural, selector=self._selector)
            self._replace(entities)
            self._version = version
            self.ready.set()
        watch = self._client.watch(self._plural, self._version, selector=self._selector)
        async with aclosing(watch) as notices:
            async for notice in notices:
                self._take(notice)
                if not self._connected:
                    self._connected = True
                    if self._on_connected:
                        self._on_connected()

    def _replace(self, entities: list[Entity]) -> None:
        fresh = {entity.name: entity for entity in entities}
        changed = {name for name in fresh.keys() | self._items.keys() if fresh.get(name) != self._items.get(name)}
        self._items.clear()
        self._items.update(fresh)
        self._tell(changed)

    def _take(self, notice: Notice) -> None:
        entity = notice.entity
        if entity is not None:
            if notice.type == "DELETED":
                self._items.pop(entity.name, None)
            else:
                self._items[entity.name] = entity
            self._tell({entity.name})
        self._version = notice.resource_version

    def _tell(self, names: set[str]) -> None:
        for listener in self._listeners:
            listener.add(names)

    def _pause(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(failures, 10))
        return longest * (1 - self._spread() / 2)


class _Listener:
    """Names that one follower hasn't been told of; bounded by the number of entities."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._event = anyio.Event()

    def add(self, names: set[str]) -> None:
        if names:
            self._names |= names
            self._event.set()

    async def wait(self) -> None:
        await self._event.wait()

    def take(self) -> frozenset[str]:
        names = frozenset(self._names)
        self._names.clear()
        self._event = anyio.Event()
        return names
