"""Both ways to make a file durable: each tells of the end in the event loop, and of a failure too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from logits_gateway.adapters.audit_log import AuditLog
from logits_gateway.adapters.kernel_sync import FileSync, KernelSync
from logits_gateway.adapters.thread_sync import ThreadSync
from simulators.audit_records import record

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[KernelSync, ThreadSync])
def disk(request: pytest.FixtureRequest) -> Generator[FileSync]:
    make: Callable[[], FileSync] = request.param
    try:
        found = make()
    except OSError as error:
        pytest.skip(f"not offered here: {error}")
    yield found
    found.close()


async def sync(disk: FileSync, file: int) -> OSError | None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[OSError | None] = loop.create_future()
    disk.begin(loop, file, ended.set_result)
    return await ended


async def test_syncs_end_one_after_the_other(disk: FileSync, tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(3):
        os.write(file, b"x")
        assert await sync(disk, file) is None
    os.close(file)


async def test_a_failure_is_told(disk: FileSync, tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    os.close(file)
    assert isinstance(await sync(disk, file), OSError)
    # A pipe can't be synced; the next sync is none the worse for it.
    reading, writing = os.pipe()
    assert isinstance(await sync(disk, writing), OSError)
    os.close(reading)
    os.close(writing)
    file = os.open(tmp_path / "file", os.O_WRONLY)
    assert await sync(disk, file) is None
    os.close(file)


async def test_concurrent_changes_share_syncs(disk: FileSync, tmp_path: Path) -> None:
    begun: list[int] = []

    class Counting:
        def begin(self, loop: asyncio.AbstractEventLoop, file: int, ended: Callable[[OSError | None], None]) -> None:
            begun.append(file)
            disk.begin(loop, file, ended)

        def close(self) -> None:
            """The fixture does."""

    log = AuditLog(tmp_path, "e", lambda _: None, disk=Counting())
    await asyncio.gather(*(log.append(record(number), durable=True) for number in range(20)))
    assert log.size == 20
    assert 1 <= len(begun) <= 2
    log.close()
