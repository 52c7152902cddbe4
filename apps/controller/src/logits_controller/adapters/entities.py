"""The Entity DB as the Controller reads and writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import anyio

from logits_core.entities.model import JsonObject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.reconcile import EntityWrite
from logits_shell.entities import EntityCache, EntityClient
from logits_shell.kubernetes import Changes

PLURALS = ("languagemodels", "modeldeployments", "llmservers", "demands", "components")
Seen = Callable[[], bool]


class Entities:
    """Caches of all kinds that the Controller works with, and its writes.

    The Entity DB is itself deployed by the Controller, so at first it isn't there: until a kind
    was listed once, ``snapshot`` says None.

    Args:
        client: speaks with the Entity DB.
        changes: rung whenever a cache changes.
        on_failure: told of each interrupted watch: the plural and the error.
    """

    def __init__(
        self,
        client: EntityClient,
        *,
        changes: Changes,
        on_failure: Callable[[str, LogitsError], None],
    ) -> None:
        self._client = client
        self._changes = changes
        self._revivals = Changes()
        self._caches = {
            plural: EntityCache(client, plural, on_interruption=_bound(on_failure, plural)) for plural in PLURALS
        }

    @property
    def caches(self) -> tuple[EntityCache, ...]:
        """All caches, to be run as background tasks."""
        return tuple(self._caches.values())

    async def keep(self, cache: EntityCache) -> None:
        """Keep one cache current for ever.

        A cache waits longer after each failure. When the Entity DB is known to have come up there
        is no reason to wait, so ``revive`` begins anew; what was known stays known.
        """
        while True:
            count = self._revivals.count
            async with anyio.create_task_group() as group:
                group.start_soon(cache.run)
                await self._revivals.wait(count)
                group.cancel_scope.cancel()

    def revive(self) -> None:
        """Connect all caches again at once: the Entity DB has just become ready."""
        self._revivals.ring()

    async def follow(self, cache: EntityCache) -> None:
        """Ring for every change of one cache, for ever."""
        async with aclosing(cache.changes()) as changes:
            async for _ in changes:
                self._changes.ring()

    def snapshot(self, plural: str) -> dict[str, JsonObject] | None:
        """The entities of one kind by name; None until they were listed once."""
        cache = self._caches[plural]
        if not cache.ready.is_set():
            return None
        return {name: entity.to_json() for name, entity in cache.items.items()}

    async def execute(self, write: EntityWrite) -> Seen:
        """Make one change; the answer tells when the caches have caught up with it.

        Raises:
            LogitsError: the change failed.
        """
        if write.verb == "delete":
            return await self._delete(write)
        if write.verb == "create":
            return await self._create(write)
        entity = await self._client.patch_status(write.plural, write.name, write.status)
        return self._reached(write, entity.resource_version)

    async def _create(self, write: EntityWrite) -> Seen:
        try:
            entity = await self._client.create(write.plural, write.name, {})
        except LogitsError as error:
            if error.code is not ErrorCode.ALREADY_EXISTS:
                raise
            return lambda: write.name in self._caches[write.plural].items
        return self._reached(write, entity.resource_version)

    async def _delete(self, write: EntityWrite) -> Seen:
        try:
            await self._client.delete(write.plural, write.name, resource_version=write.resource_version)
        except LogitsError as error:
            # Gone already, or reported again by a pod that is there after all: the caches will show it.
            if error.code not in (ErrorCode.NOT_FOUND, ErrorCode.CONFLICT):
                raise
        return lambda: self._version(write) != write.resource_version

    def _reached(self, write: EntityWrite, version: int) -> Seen:
        return lambda: int(self._version(write) or 0) >= version

    def _version(self, write: EntityWrite) -> str | None:
        found = self._caches[write.plural].items.get(write.name)
        return found.metadata.resource_version if found else None


def _bound(on_failure: Callable[[str, LogitsError], None], plural: str) -> Callable[[LogitsError], None]:
    return lambda error: on_failure(plural, error)
