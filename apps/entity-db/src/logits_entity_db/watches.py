"""Watches: every open watch reads the one history at its own pace, so a slow one holds up nobody."""

from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import anyio

from logits_core.entities.history import Change, WatchEvent, event_for
from logits_core.entities.kinds import Kind
from logits_core.entities.ports import EntityStore
from logits_core.entities.revisions import expired
from logits_core.entities.selectors import Selector
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.metrics import Metrics

RECENT_CHANGES: Final = 256
"""Changes held in memory; a watch further behind reads the store."""
CHANGES_PER_READ: Final = 256


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a watch saw: an event at a revision, or nothing new up to it (a bookmark)."""

    revision: int
    event: WatchEvent | None


class Watches:
    """Wakes watches after each commit and reads for each what it hasn't seen.

    Memory is bounded by ``RECENT_CHANGES`` whatever the watchers do: one that falls behind the stored history
    is told so (``EXPIRED``) and counted.

    Args:
        store: keeps the history.
        metrics: told of watches that come and go.
        limit: watches open at once.
        bookmark_seconds: silence after which a watch says how far it has seen.
    """

    def __init__(self, store: EntityStore, metrics: Metrics, *, limit: int, bookmark_seconds: float) -> None:
        self._store = store
        self._metrics = metrics
        self._limit = limit
        self._bookmark_seconds = bookmark_seconds
        self._recent: deque[Change] = deque(maxlen=RECENT_CHANGES)
        self._revision = store.revision()
        self._news = anyio.Event()
        self._open = 0
        self._closing = False
        metrics.revision.set(self._revision)

    def publish(self, changes: tuple[Change, ...]) -> None:
        """Take changes that were just committed, in order of revision, and wake every watch."""
        if not changes:
            return
        self._recent.extend(changes)
        self._revision = changes[-1].revision
        self._metrics.revision.set(self._revision)
        self._wake()

    def close(self) -> None:
        """End every watch, so that a stopping process needn't wait for clients to leave."""
        self._closing = True
        self._wake()

    def admit(self, after: int) -> None:
        """Check that a watch from revision ``after`` can be served.

        Raises:
            LogitsError: ``EXPIRED``, or ``OVER_LIMIT`` when too many watches are open.
        """
        if self._open >= self._limit:
            raise LogitsError(
                ErrorCode.OVER_LIMIT,
                f"{self._limit} watches are open already. Close some, or try again shortly.",
                retry_after=5,
            )
        if after > self._store.revision():
            raise expired(after)
        self._unseen(after)

    async def follow(self, kind: Kind, selector: Selector, after: int) -> AsyncGenerator[Sighting, None]:
        """Yield what a watch sees after revision ``after``: at first a bookmark once it has caught up.

        Raises:
            LogitsError: ``EXPIRED`` when the watch fell behind the history.
        """
        self._opened(+1)
        reason = "left"
        told = -1
        try:
            while not self._closing:
                for change in self._unseen(after):
                    after = change.revision
                    event = event_for(change, selector) if change.plural == kind.plural else None
                    if event is not None:
                        told = after
                        yield Sighting(after, event)
                if after < self._revision:
                    continue
                if told < 0:
                    told = after
                    yield Sighting(after, None)
                if not await self._news_came(after) and told < after:
                    told = after
                    yield Sighting(after, None)
            reason = "stopping"
        except LogitsError as error:
            reason = error.code.value
            raise
        finally:
            self._opened(-1)
            self._metrics.watches_ended.labels(reason).inc()

    def _unseen(self, after: int) -> tuple[Change, ...]:
        """Return changes after ``after``: from memory if they are all there, else from the store.

        The store may be a commit ahead of what was published; such a watch waits for the publication.
        """
        if after >= self._revision:
            return ()
        # Every change has the next revision, so the position in memory can be counted.
        skipped = after + 1 - (self._recent[0].revision if self._recent else self._revision + 1)
        if skipped < 0:
            return self._store.changes(after, CHANGES_PER_READ)
        return tuple(islice(self._recent, skipped, skipped + CHANGES_PER_READ))

    async def _news_came(self, after: int) -> bool:
        if after >= self._revision and not self._closing:
            with anyio.move_on_after(self._bookmark_seconds):
                await self._news.wait()
        return after < self._revision or self._closing

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def _opened(self, count: int) -> None:
        self._open += count
        self._metrics.watchers.set(self._open)
