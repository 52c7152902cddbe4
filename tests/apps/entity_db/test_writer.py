"""The writing thread: one commit for all that waits, and a failing store loses nobody's answer."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from prometheus_client import CollectorRegistry

from logits_core.entities.changes import Write
from logits_core.entities.history import Change
from logits_core.entities.ports import Commit
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.adapters.writer import Writer
from logits_entity_db.metrics import Metrics
from simulators.entity_store import SimulatedEntityStore
from simulators.entity_writes import create

pytestmark = pytest.mark.anyio


class FailingStore(SimulatedEntityStore):
    """A store whose disk fails as told, and which remembers how writes were grouped."""

    def __init__(self, *failures: ErrorCode | None) -> None:
        super().__init__()
        self.failures = list(failures)
        self.groups: list[int] = []

    def commit(self, writes: Sequence[Write]) -> Commit:
        self.groups.append(len(writes))
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise LogitsError(failure, "disk")
        return super().commit(writes)


def _writer(store: SimulatedEntityStore, changes: list[Change], **limits: int) -> Writer:
    bounds = {"queue_limit": 64, "group_limit": 64, **limits}
    return Writer(
        store,
        Metrics.create(CollectorRegistry()),
        changes.extend,
        queue_limit=bounds["queue_limit"],
        group_limit=bounds["group_limit"],
    )


async def test_what_waits_shares_a_commit_up_to_the_limit() -> None:
    store, changes = FailingStore(), list[Change]()
    writer = _writer(store, changes, group_limit=4)
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as writers:
            for number in range(10):
                writers.start_soon(writer.submit, create(f"e{number}"))
            await anyio.lowlevel.checkpoint()
            group.start_soon(writer.run)
        group.cancel_scope.cancel()
    assert store.groups == [4, 4, 2]
    assert [change.revision for change in changes] == list(range(1, 11))


async def test_a_failed_commit_is_told_and_the_next_one_works() -> None:
    store = FailingStore(ErrorCode.UNAVAILABLE)
    writer = _writer(store, [])
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        with pytest.raises(LogitsError) as error:
            await writer.submit(create("a"))
        assert error.value.code is ErrorCode.UNAVAILABLE
        assert (await writer.submit(create("a"))).name == "a"
        group.cancel_scope.cancel()


async def test_a_damaged_file_stops_the_process() -> None:
    store = FailingStore(ErrorCode.CORRUPT)
    writer = _writer(store, [])
    answers: list[ErrorCode] = []

    async def submit() -> None:
        try:
            await writer.submit(create("a"))
        except LogitsError as error:
            answers.append(error.code)

    async def run_both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(submit)
            group.start_soon(writer.run)

    with pytest.raises(ExceptionGroup) as stopped:
        await run_both()
    assert stopped.group_contains(LogitsError)
    assert answers in ([ErrorCode.CORRUPT], [])


async def test_a_caller_that_leaves_does_not_stop_its_write() -> None:
    store = FailingStore()
    writer = _writer(store, [])
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(writer.submit, create("a"))
        await anyio.lowlevel.checkpoint()
        leaving.cancel_scope.cancel()
    async with anyio.create_task_group() as group:
        group.start_soon(writer.run)
        await writer.submit(create("b"))
        group.cancel_scope.cancel()
    assert store.revision() == 2
