"""The audit log on disk: whole after any crash, bounded in reading, and closed when the disk fails."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logits_core.audit import verify
from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.audit_log import AuditLog

pytestmark = pytest.mark.anyio


async def fill(log: AuditLog, count: int) -> None:
    for number in range(count):
        await log.append({"number": number}, durable=number % 3 == 0)


async def test_entries_survive_a_restart_and_read_back_by_index(tmp_path: Path) -> None:
    printed: list[bytes] = []
    log = AuditLog(tmp_path, printed.append, segment_entries=4)
    await fill(log, 10)
    log.close()
    again = AuditLog(tmp_path, printed.append, segment_entries=4)
    await again.append({"number": 10}, durable=True)
    assert verify(again.entries()).head == again.head
    lines = await again.read(3, 5)
    assert [json.loads(line)["index"] for line in lines] == [4, 5, 6, 7, 8]
    assert await again.read(11, 5) == []
    assert [line.rstrip(b"\n") for line in printed] == await again.read(0, 100)
    again.close()


async def test_many_writers_make_one_chain(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, lambda _: None, segment_entries=8)
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(fill, log, 10)
    found = verify(log.entries())
    assert found.holds
    assert found.head.size == 120
    log.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.binary(max_size=40), st.integers(1, 9))
def test_a_tail_torn_at_any_byte_is_put_aside(cut: int, garbage: bytes, entries: int) -> None:
    anyio.run(_torn, cut, garbage, entries)


async def _torn(cut: int, garbage: bytes, entries: int) -> None:
    async with anyio.TemporaryDirectory() as name:
        directory = Path(name)
        log = AuditLog(directory, lambda _: None, segment_entries=4)
        await fill(log, entries)
        log.close()
        last = sorted(directory.glob("*.jsonl"))[-1]
        content = last.read_bytes()
        torn = content[: max(0, len(content) - cut)] + garbage
        last.write_bytes(torn)
        again = AuditLog(directory, lambda _: None, segment_entries=4)
        kept = last.read_bytes()
        assert torn.startswith(kept)
        assert again.recovery.torn_bytes == len(torn) - len(kept)
        aside = b"".join(path.read_bytes() for path in directory.glob("*.torn"))
        assert aside == torn[len(kept) :]
        await again.append({"after": "the crash"}, durable=True)
        assert verify(again.entries()).holds
        again.close()


async def test_a_disk_that_fails_closes_the_log(tmp_path: Path) -> None:
    complaints: list[str] = []
    log = AuditLog(tmp_path, lambda _: None, on_broken=complaints.append)
    await fill(log, 2)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)  # pyright: ignore[reportPrivateUsage]
    os.close(full)
    for _ in range(2):
        with pytest.raises(LogitsError) as caught:
            await log.append({"number": 3}, durable=True)
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert len(complaints) == 1
    log.close()
    again = AuditLog(tmp_path, lambda _: None)
    assert again.head.size == 2
    again.close()


async def test_damage_in_an_earlier_segment_stops_the_start(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, lambda _: None, segment_entries=2)
    await fill(log, 5)
    log.close()
    earlier = sorted(tmp_path.glob("*.jsonl"))[-2]
    earlier.write_bytes(b"garbage\n")
    with pytest.raises(LogitsError) as caught:
        AuditLog(tmp_path, lambda _: None, segment_entries=2)
    assert caught.value.code is ErrorCode.CORRUPT
