"""The one thread that writes: it gathers what waits into one commit and answers all of it at once."""

import asyncio
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread

from logits_core.entities.changes import Write
from logits_core.entities.history import Change
from logits_core.entities.model import Entity
from logits_core.entities.ports import Commit, EntityStore
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.metrics import Metrics

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Write
    answer: asyncio.Future[Entity]


@dataclass(frozen=True, slots=True)
class _Compaction:
    keep: int
    answer: asyncio.Future[int]


class Writer:
    """Queues writes from the event loop to the writing thread.

    A write is answered only after the commit that holds it is durable, and its change was given to
    ``on_changes`` before that.

    Args:
        store: written by this writer alone.
        metrics: told of every commit.
        on_changes: takes committed changes in order of revision, on the event loop.
        queue_limit: writes that may wait; more are refused.
        group_limit: writes that share one commit.
    """

    def __init__(
        self,
        store: EntityStore,
        metrics: Metrics,
        on_changes: Callable[[tuple[Change, ...]], None],
        *,
        queue_limit: int,
        group_limit: int,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._on_changes = on_changes
        self._queue_limit = queue_limit
        self._group_limit = group_limit
        self._waiting = 0
        self._queue: queue.SimpleQueue[_Waiting | _Compaction | None] = queue.SimpleQueue()

    async def run(self) -> None:
        """Write until cancelled; what was queued by then is still committed.

        Raises:
            LogitsError: ``CORRUPT`` when the file is damaged: the process must not go on.
        """
        loop = asyncio.get_running_loop()
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_at_cancellation)
            await anyio.to_thread.run_sync(self._work, loop, limiter=anyio.CapacityLimiter(1))
            group.cancel_scope.cancel()

    async def submit(self, write: Write) -> Entity:
        """Return the entity that answers ``write``, once that is durable.

        Raises:
            LogitsError: the refusal; ``NO_CAPACITY`` when too many writes wait already.
        """
        if self._waiting >= self._queue_limit:
            self._metrics.writes.labels(write.kind.name, ErrorCode.NO_CAPACITY).inc()
            raise LogitsError(
                ErrorCode.NO_CAPACITY,
                f"{self._waiting} writes are waiting already. Try again in a second.",
                retry_after=1,
            )
        waiting = _Waiting(write, asyncio.get_running_loop().create_future())
        self._waiting += 1
        self._metrics.waiting.set(self._waiting)
        self._queue.put(waiting)
        return await waiting.answer

    async def compact(self, keep: int) -> int:
        """Forget all but the last ``keep`` changes, between two commits; return how many were forgotten."""
        compaction = _Compaction(keep, asyncio.get_running_loop().create_future())
        self._queue.put(compaction)
        return await compaction.answer

    async def _stop_at_cancellation(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self._queue.put(None)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            items = self._gathered()
            if group := [item for item in items if isinstance(item, _Waiting)]:
                self._commit(loop, group)
            for item in items:
                if isinstance(item, _Compaction):
                    self._compact(loop, item)
            if None in items:
                return

    def _gathered(self) -> "list[_Waiting | _Compaction | None]":
        """Wait for one item and take what else is there, up to the group limit; None comes last."""
        items = [self._queue.get()]
        while items[-1] is not None and len(items) < self._group_limit:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return items

    def _commit(self, loop: asyncio.AbstractEventLoop, group: Sequence[_Waiting]) -> None:
        started = time.perf_counter()
        try:
            commit = self._store.commit([waiting.write for waiting in group])
        except LogitsError as error:
            commit = Commit((error,) * len(group), ())
            if error.code is ErrorCode.CORRUPT:
                loop.call_soon_threadsafe(self._deliver, group, commit)
                raise
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.group_size.observe(len(group))
        loop.call_soon_threadsafe(self._deliver, group, commit)

    def _compact(self, loop: asyncio.AbstractEventLoop, compaction: _Compaction) -> None:
        try:
            forgotten = self._store.compact(compaction.keep)
        except LogitsError as error:
            loop.call_soon_threadsafe(_fail, compaction.answer, error)
            if error.code is ErrorCode.CORRUPT:
                raise
        else:
            loop.call_soon_threadsafe(_resolve, compaction.answer, forgotten)

    def _deliver(self, group: Sequence[_Waiting], commit: Commit) -> None:
        self._waiting -= len(group)
        self._metrics.waiting.set(self._waiting)
        self._on_changes(commit.changes)
        for waiting, answer in zip(group, commit.answers, strict=True):
            refused = isinstance(answer, LogitsError)
            outcome = answer.code if refused else "ok"
            self._metrics.writes.labels(waiting.write.kind.name, outcome).inc()
            if refused:
                _fail(waiting.answer, answer)
            else:
                _resolve(waiting.answer, answer)


def _resolve(answer: "asyncio.Future[_T]", value: _T) -> None:
    # A caller that left has cancelled its future; the write stands all the same.
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[_T]", error: LogitsError) -> None:
    if not answer.done():
        answer.set_exception(error)
