"""The audit log on disk: whole after any crash, honest about every loss, and closed when the disk fails."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logits_client.verify as verifier
from logits_core.audit import WIDTH, Frontier, frontier_of, leaf_hash
from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.audit_log import AuditLog
from simulators.audit_records import pair, record

pytestmark = pytest.mark.anyio


def opened(directory: Path, printed: list[bytes] | None = None) -> AuditLog:
    return AuditLog(directory, "e", (printed if printed is not None else []).append)


async def fill(log: AuditLog, count: int) -> None:
    for number in range(count):
        await log.append(record(number), durable=number % 50 == 0)


def stored(log: AuditLog) -> list[bytes]:
    """All entries as they lie on disk."""
    return [entry for _, entry in log.opening.files.entries(0, log.size)]


def verified(directory: Path, note: str, key: str) -> verifier.Report:
    """What the offline verifier says of a log on the Gateway's volume."""
    checkpoint = verifier.read_checkpoint(note)
    entries = verifier.read_entries(directory, checkpoint.size)
    return verifier.verify(checkpoint, entries, verifier.Trust(verifier.read_key(key)))


async def test_entries_survive_a_restart_and_read_back_by_index(tmp_path: Path) -> None:
    printed: list[bytes] = []
    log = opened(tmp_path, printed)
    await fill(log, 2 * WIDTH + 10)
    log.close()
    again = opened(tmp_path, printed)
    assert again.frontier == log.frontier
    assert again.opening.notes == {"epoch": "continued"}
    await again.append(record(9), durable=True)
    lines = await again.read(WIDTH - 2, 5)
    assert [json.loads(line)["index"] for line in lines] == [WIDTH - 2, WIDTH - 1, WIDTH, WIDTH + 1, WIDTH + 2]
    assert await again.read(again.size, 5) == []
    assert printed[-5:] == await again.read(again.size - 5, 100)
    report = verified(tmp_path / "0001", await again.checkpoint(), again.verifier)
    assert (report.problem, report.size) == ("", 2 * WIDTH + 11)
    again.close()


async def test_many_writers_make_one_tree(tmp_path: Path) -> None:
    log = opened(tmp_path)
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(fill, log, 50)
    assert log.size == 600
    assert frontier_of(leaf_hash(entry) for entry in stored(log)) == log.frontier
    log.close()


async def test_tiles_are_those_of_the_tree(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await fill(log, 2 * WIDTH + 3)
    leaves = [leaf_hash(entry) for entry in stored(log)]
    assert await log.file(1, "tile/0/001") == b"".join(leaves[WIDTH : 2 * WIDTH])
    assert await log.file(1, "tile/0/002.p/3") == b"".join(leaves[2 * WIDTH :])
    roots = [frontier_of(leaves[at : at + WIDTH]).root for at in (0, WIDTH)]
    assert await log.file(1, "tile/1/000.p/2") == b"".join(roots)
    frontier = Frontier()
    for root in roots:
        frontier = frontier.append_subtree(root, 8)
    assert frontier_of(leaves[2 * WIDTH :], frontier) == log.frontier
    for missing in ("tile/0/002.p/4", "tile/entries/003", "tile/1/000", "tile/2/000.p/1", "tile/0/../001"):
        with pytest.raises(LogitsError) as caught:
            await log.file(1, missing)
        assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(LogitsError):
        await log.file(2, "tile/0/000")
    log.close()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4000), st.binary(max_size=40), st.integers(1, 9))
def test_a_tail_torn_at_any_byte_is_put_aside(cut: int, garbage: bytes, entries: int) -> None:
    anyio.run(_torn, cut, garbage, entries)


async def _torn(cut: int, garbage: bytes, entries: int) -> None:
    async with anyio.TemporaryDirectory() as name:
        directory = Path(name)
        log = opened(directory)
        await fill(log, entries)
        log.close()
        await _reopened_after(directory, cut, garbage)


async def _reopened_after(directory: Path, cut: int, garbage: bytes) -> None:
    bundle = directory / "0001/tile/entries/000"
    content = bundle.read_bytes()
    torn = content[: max(0, len(content) - cut)] + garbage
    bundle.write_bytes(torn)
    again = opened(directory)
    kept = bundle.read_bytes()
    assert torn.startswith(kept)
    assert int(again.opening.notes.get("torn-bytes", "0")) == len(torn) - len(kept)
    aside = b"".join(path.read_bytes() for path in (directory / "0001").glob("*.torn"))
    assert aside == torn[len(kept) :]
    await again.append(record(99), durable=True)
    report = verified(directory / "0001", await again.checkpoint(), again.verifier)
    assert report.problem == ""
    again.close()


async def test_a_log_cut_at_every_single_byte_recovers_to_a_tree_of_whole_entries(tmp_path: Path) -> None:
    log = opened(tmp_path / "whole")
    for event in pair(1):
        await log.append(event, durable=True)
    log.close()
    data = (tmp_path / "whole/0001/tile/entries/000").read_bytes()
    key = (tmp_path / "whole/0001.key").read_bytes()
    for length in range(len(data) + 1):
        place = tmp_path / "cut"
        (place / "0001/tile/entries").mkdir(parents=True)
        (place / "0001.key").write_bytes(key)
        (place / "0001/tile/entries/000").write_bytes(data[:length])
        again = opened(place)
        entries = stored(again)
        assert entries == stored(log)[: len(entries)]
        assert frontier_of(leaf_hash(entry) for entry in entries) == again.frontier
        report = verified(place / "0001", await again.checkpoint(), again.verifier)
        assert (report.problem, len(report.unmatched)) == ("", len(entries) % 2)
        again.close()
        for path in sorted(place.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


async def test_zeroed_pages_after_a_power_loss_are_torn_too(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await fill(log, 3)
    log.close()
    bundle = tmp_path / "0001/tile/entries/000"
    whole = len(bundle.read_bytes())
    bundle.write_bytes(bundle.read_bytes() + bytes(4096))
    again = opened(tmp_path)
    assert (again.size, len(bundle.read_bytes())) == (3, whole)
    again.close()


async def test_a_disk_that_fails_closes_the_log(tmp_path: Path) -> None:
    complaints: list[str] = []
    log = AuditLog(tmp_path, "e", lambda _: None, on_broken=complaints.append)
    await fill(log, 2)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file)  # pyright: ignore[reportPrivateUsage]
    os.close(full)
    for _ in range(2):
        with pytest.raises(LogitsError) as caught:
            await log.append(record(3), durable=True)
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert len(complaints) == 1
    log.close()
    again = opened(tmp_path)
    assert again.size == 2
    again.close()


@pytest.mark.parametrize("damage", ["tail", "entry", "middle", "key", "checkpoint"])
async def test_a_loss_begins_a_new_log_that_says_what_was_lost(tmp_path: Path, damage: str) -> None:
    log = opened(tmp_path)
    await fill(log, WIDTH + 20)
    before = log.frontier
    await log.checkpoint()
    log.close()
    old = tmp_path / "0001"
    bundle = old / "tile/entries/001"
    if damage == "tail":
        bundle.write_bytes(bundle.read_bytes()[:-300])
    elif damage == "entry":
        bundle.write_bytes(bundle.read_bytes().replace(b"p-26", b"p-99", 1))
    elif damage == "middle":
        (old / "tile/0/000").unlink()
        (old / "tile/entries/000").write_bytes(b"")
    elif damage == "key":
        (tmp_path / "0001.key").unlink()
    else:
        text = (old / "checkpoint").read_text()
        (old / "checkpoint").write_text(re.sub(r"\n\d+\n", "\n7\n", text, count=1))
    again = opened(tmp_path)
    assert (again.opening.number, again.size) == (2, 0)
    notes = again.opening.notes
    assert notes["epoch"] == "new"
    if damage in ("tail", "entry", "middle"):
        assert (notes["previous-origin"], notes["previous-size"]) == (log.origin, str(before.size))
    assert again.origin != log.origin
    assert [facts.current for facts in again.logs()] == [False, True]
    assert (old / "tile/entries/001").exists()
    again.close()


async def test_a_second_gateway_on_the_same_volume_is_turned_away(tmp_path: Path) -> None:
    log = opened(tmp_path)
    with pytest.raises(LogitsError) as caught:
        opened(tmp_path)
    assert caught.value.code is ErrorCode.CONFLICT
    log.close()
    opened(tmp_path).close()


async def test_a_log_that_was_given_up_is_followed_by_another(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await fill(log, 3)
    log.give_up("the volume holds an older state")
    with pytest.raises(LogitsError):
        await log.append(record(4), durable=False)
    log.close()
    again = opened(tmp_path)
    assert (again.opening.number, again.opening.notes["reason"]) == (2, "the volume holds an older state")
    again.close()


async def test_another_environment_gets_a_log_of_its_own_and_the_first_one_still_verifies(tmp_path: Path) -> None:
    first = opened(tmp_path)
    await fill(first, 7)
    first.close()
    other = AuditLog(tmp_path, "other", list[bytes]().append)
    await fill(other, 2)
    assert other.opening.number == 2
    assert other.opening.notes["reason"] == "the Gateway was given another environment"
    assert (other.opening.notes["previous-origin"], other.opening.notes["previous-size"]) == (first.origin, "7")
    facts = {log.prefix: log for log in other.logs()}
    for number in (1, 2):
        log = facts[f"/audit/log/{number:04}"]
        note = (await other.file(number, "checkpoint")).decode()
        report = verified(tmp_path / f"{number:04}", note, log.key)
        assert (report.problem, report.size) == ("", 7 if number == 1 else 2)
    other.close()
    back = opened(tmp_path)
    assert (back.opening.number, back.opening.notes["previous-origin"]) == (3, other.origin)
    back.close()


async def test_a_log_of_linked_lines_is_named_by_the_first_tree(tmp_path: Path) -> None:
    (tmp_path / "000000000001.jsonl").write_bytes(
        b'{"index":1,"previous":"00","hash":"aa","event":{}}\n{"index":2,"previous":"aa","hash":"bb","event":{}}\n{"ind'
    )
    log = opened(tmp_path)
    assert (log.opening.notes["previous-size"], log.opening.notes["previous-hash"]) == ("2", "bb")
    log.close()


async def test_receipts_verify_with_the_log(tmp_path: Path) -> None:
    log = opened(tmp_path)
    entry = await log.append(record(1), durable=True)
    receipt, note = log.receipt(entry), await log.checkpoint()
    key = verifier.read_key(log.verifier)
    checkpoint = verifier.read_checkpoint(note)
    for shown, problem in ((receipt, ""), (receipt.replace("index=0", "index=1"), "was not signed")):
        trust = verifier.Trust(key, receipts=(shown,))
        report = verifier.verify(checkpoint, verifier.read_entries(tmp_path / "0001", 1), trust)
        assert problem in report.problem
        assert bool(problem) == bool(report.problem)
    log.close()
