"""The spool: batches survive a crash whole, leave oldest first, and losses are counted."""

from __future__ import annotations

import os
from pathlib import Path

from logits_collector.adapters.spool import Spool
from logits_collector.adapters.zstd import zstd
from logits_core.collection import Batch


def _batch(text: str, positions: dict[str, int] | None = None) -> Batch:
    return Batch("logs", text.encode() + b"\n", 1, positions or {})


def _spool(path: Path, quota: int = 1 << 20) -> tuple[Spool, list[int]]:
    drops: list[int] = []
    return Spool(path, quota, drops.append), drops


def test_a_batch_survives_a_restart_with_its_positions(tmp_path: Path) -> None:
    first, _ = _spool(tmp_path)
    first.put(_batch("one", {"s": 7}))
    again, _ = _spool(tmp_path)
    waiting = again.oldest()
    assert waiting is not None
    assert zstd.decompress(waiting.body()) == b"one\n"
    assert list(again.positions()) == [{"s": 7}]


def test_positions_outlive_the_batch_that_proved_them(tmp_path: Path) -> None:
    spool, _ = _spool(tmp_path)
    spool.put(_batch("one", {"s": 7}))
    waiting = spool.oldest()
    assert waiting is not None
    spool.delivered(waiting)
    again, _ = _spool(tmp_path)
    assert again.oldest() is None
    assert list(again.positions()) == [{"s": 7}]


def test_a_half_written_batch_is_no_batch(tmp_path: Path) -> None:
    (tmp_path / "000000000001.partial").write_bytes(b'{"kind":"lo')
    spool, _ = _spool(tmp_path)
    assert spool.oldest() is None
    assert not list(tmp_path.glob("*.partial"))


def test_batches_leave_oldest_first(tmp_path: Path) -> None:
    spool, _ = _spool(tmp_path)
    for text in ("one", "two", "three"):
        spool.put(_batch(text))
    seen: list[bytes] = []
    while waiting := spool.oldest():
        seen.append(zstd.decompress(waiting.body()))
        spool.delivered(waiting)
    assert seen == [b"one\n", b"two\n", b"three\n"]


def test_a_full_spool_drops_the_oldest_and_says_how_much(tmp_path: Path) -> None:
    spool, drops = _spool(tmp_path, quota=2000)
    for _ in range(12):
        spool.put(Batch("logs", os.urandom(600), 5))
    assert drops
    assert set(drops) == {5}
    assert spool.size() < 4000
    assert len(list(spool.waiting())) + len(drops) == 12


def test_a_refused_batch_is_set_aside_not_lost_and_not_in_the_way(tmp_path: Path) -> None:
    spool, _ = _spool(tmp_path)
    spool.put(_batch("poison"))
    spool.put(_batch("good"))
    poison = spool.oldest()
    assert poison is not None
    spool.quarantine(poison)
    good = spool.oldest()
    assert good is not None
    assert zstd.decompress(good.body()) == b"good\n"
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
