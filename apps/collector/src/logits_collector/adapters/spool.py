"""The spool: sealed batches on disk, written whole, sent oldest first, bounded in size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from logits_collector.adapters.zstd import compress
from logits_core.collection import Batch, Kind

_POSITIONS = "positions.json"
_SUFFIX = ".batch"
QUARANTINE_FILES = 16


class Header(msgspec.Struct, frozen=True):
    """The first line of a batch file."""

    kind: Kind
    key: str
    records: int
    positions: dict[str, int]


@dataclass(frozen=True)
class Waiting:
    """A batch on disk: its header and where its compressed body is."""

    path: Path
    header: Header

    def body(self) -> bytes:
        """The zstd-compressed lines."""
        return self.path.read_bytes().split(b"\n", 1)[1]


class Spool:
    """Batches that wait to be sent.

    A batch file appears by rename after fsync, so that it is whole or absent; the stream positions
    that it covers are inside it, so that a crash re-reads exactly what was not spooled.

    Args:
        directory: a directory of the Collector's own.
        quota: bytes that waiting batches may take.
        on_drop: told how many records a dropped batch had.
    """

    def __init__(self, directory: Path, quota: int, on_drop: Callable[[int], None]) -> None:
        self._directory = directory
        self._quota = quota
        self._on_drop = on_drop
        (directory / "quarantine").mkdir(parents=True, exist_ok=True)
        for partial in directory.glob("*.partial"):
            partial.unlink()
        numbers = [int(path.stem) for path in directory.glob(f"*{_SUFFIX}")]
        self._next = max(numbers, default=0) + 1

    def positions(self) -> Iterator[dict[str, int]]:
        """Every stored position map, oldest first."""
        stored = self._directory / _POSITIONS
        if stored.exists():
            yield msgspec.json.decode(stored.read_bytes(), type=dict[str, int])
        for waiting in self.waiting():
            yield waiting.header.positions

    def put(self, batch: Batch) -> None:
        """Store a batch durably; drops the oldest ones when the quota is reached."""
        header = Header(batch.kind, batch.key, batch.records, dict(batch.positions))
        self._make_room()
        target = self._directory / f"{self._next:012d}{_SUFFIX}"
        self._next += 1
        self._write(target, msgspec.json.encode(header) + b"\n" + compress(batch.body))

    def waiting(self) -> Iterator[Waiting]:
        """Batches on disk, oldest first."""
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            with path.open("rb") as file:
                yield Waiting(path, msgspec.json.decode(file.readline(), type=Header))

    def oldest(self) -> Waiting | None:
        """The batch to send next."""
        return next(self.waiting(), None)

    def delivered(self, waiting: Waiting) -> None:
        """Forget a batch that arrived, but not the positions that it proved."""
        self._remember(waiting)
        waiting.path.unlink(missing_ok=True)

    def quarantine(self, waiting: Waiting) -> None:
        """Set a batch aside that the other side will never take; the oldest such ones go first."""
        self._remember(waiting)
        aside = self._directory / "quarantine"
        waiting.path.rename(aside / waiting.path.name)
        for old in sorted(aside.iterdir())[:-QUARANTINE_FILES]:
            old.unlink()

    def size(self) -> int:
        """Bytes that waiting batches take."""
        return sum(path.stat().st_size for path in self._directory.glob(f"*{_SUFFIX}"))

    def _make_room(self) -> None:
        while self.size() > self._quota and (oldest := self.oldest()):
            self._on_drop(oldest.header.records)
            self.delivered(oldest)

    def _remember(self, waiting: Waiting) -> None:
        if waiting.header.positions:
            self._write(self._directory / _POSITIONS, msgspec.json.encode(waiting.header.positions))

    def _write(self, target: Path, content: bytes) -> None:
        partial = target.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
