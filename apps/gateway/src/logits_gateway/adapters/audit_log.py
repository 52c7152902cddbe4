"""The audit log on the Gateway's volume: append-only segments, made durable before anything is done."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from logits_core.audit import Entry, Head, link, parse_line
from logits_core.audit.chain import entry_digest
from logits_core.errors import ErrorCode, LogitsError

SEGMENT_ENTRIES = 4096
MAX_READ_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening the log found.

    Attributes:
        head: where the log ends.
        fresh: whether there was no log.
        torn_bytes: bytes behind the last whole entry, put aside.
        torn_digest: their SHA-256 in hex.
    """

    head: Head
    fresh: bool
    torn_bytes: int = 0
    torn_digest: str = ""


class AuditLog:
    """Appends entries to a hash chain in segment files of 4,096 entries each.

    One process writes. A failed write or sync breaks the log for the rest of the process' life,
    because nobody can know what the disk holds then; every later append is refused.

    Args:
        directory: holds the segments; made if it isn't there.
        output: gets every line as well, for the Pod's own log.
        on_broken: told once why nothing more can be appended.
        segment_entries: entries per file.
    """

    def __init__(
        self,
        directory: Path,
        output: Callable[[bytes], None],
        *,
        on_broken: Callable[[str], None] = lambda _: None,
        segment_entries: int = SEGMENT_ENTRIES,
    ) -> None:
        self._directory = directory
        self._output = output
        self._on_broken = on_broken
        self._segment_entries = segment_entries
        self._file = -1
        self._first = 1
        self._synced = 0
        self._sync = anyio.Lock()
        self._broken = ""
        directory.mkdir(parents=True, exist_ok=True)
        self.recovery = self._open()
        self._head = self.recovery.head

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return self._head

    @property
    def broken(self) -> str:
        """Why nothing more can be appended; empty when all is well."""
        return self._broken

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def append(self, event: dict[str, Any], *, durable: bool) -> Entry:
        """Append an event.

        Args:
            event: of canonical JSON values.
            durable: return only when the disk has it.

        Raises:
            LogitsError: UNAVAILABLE when the log can't be written.
        """
        if self._broken:
            raise self._unavailable()
        try:
            while self._head.size + 1 - self._first >= self._segment_entries:
                await self._rotate()
            # From here to the write nothing is awaited, so no other entry comes between.
            entry = link(self._head, event)
            line = entry.line()
            self._write(line)
        except OSError as error:
            self._break(f"the audit log cannot be written: {error.strerror or 'i/o error'}")
            raise self._unavailable() from None
        self._head = Head(entry.index, entry.digest)
        self._output(line)
        if durable:
            await self._make_durable(entry.index)
        return entry

    async def read(self, after: int, limit: int) -> list[bytes]:
        """Lines of the entries after an index, oldest first, without their newlines."""
        count = max(0, min(limit, MAX_READ_ENTRIES, self._head.size - after))
        if not count:
            return []
        return await anyio.to_thread.run_sync(self._read, after, count)

    def entries(self) -> Iterator[Entry]:
        """Every entry from disk, oldest first, for verification."""
        for segment in self._segments():
            with segment.open("rb") as file:
                for line in file:
                    yield parse_line(line)

    def _read(self, after: int, count: int) -> list[bytes]:
        found: list[bytes] = []
        for segment in self._segments():
            first = int(segment.stem)
            if first + self._segment_entries <= after + 1:
                continue
            with segment.open("rb") as file:
                for index, line in enumerate(file, first):
                    if index > after and len(found) < count:
                        found.append(line.rstrip(b"\n"))
            if len(found) >= count:
                break
        return found

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob("*.jsonl"))

    def _segment_path(self, first: int) -> Path:
        return self._directory / f"{first:012}.jsonl"

    def _break(self, reason: str) -> None:
        self._broken = reason
        self._on_broken(reason)

    def _unavailable(self) -> LogitsError:
        return LogitsError(
            ErrorCode.UNAVAILABLE,
            f"{self._broken}; nothing is done that can't be recorded, mend the Gateway's volume and restart it",
        )

    def _write(self, line: bytes) -> None:
        written = 0
        while written < len(line):
            written += os.write(self._file, line[written:])

    async def _rotate(self) -> None:
        async with self._sync:
            if self._head.size + 1 - self._first < self._segment_entries:
                return
            # The old file must be whole on disk before a successor puts it out of reach of syncs.
            await anyio.to_thread.run_sync(os.fsync, self._file)
            self._synced = self._head.size
            os.close(self._file)
            self._file = self._create(self._head.size + 1)

    async def _make_durable(self, index: int) -> None:
        while self._synced < index:
            async with self._sync:
                if self._synced >= index:
                    return
                reached = self._head.size  # one sync serves everybody who wrote before it began
                try:
                    await anyio.to_thread.run_sync(os.fsync, self._file)
                except OSError as error:
                    self._break(f"the audit log cannot be made durable: {error.strerror or 'i/o error'}")
                    raise self._unavailable() from None
                self._synced = max(self._synced, reached)

    def _create(self, first: int) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self._segment_path(first), flags, 0o640)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._first = first
        return file

    def _open(self) -> Recovery:
        segments = self._segments()
        if not segments:
            self._file = self._create(1)
            return Recovery(Head(), fresh=True)
        last = segments[-1]
        head = self._head_before(segments)
        good, head = _whole_entries(last, head)
        torn = last.read_bytes()[good:]
        if torn:
            # Nothing is thrown away: what a crash left behind stays beside the log.
            (self._directory / f"{last.stem}-{good}.torn").write_bytes(torn)
            os.truncate(last, good)
        self._file = os.open(last, os.O_WRONLY | os.O_APPEND)
        self._first = int(last.stem)
        os.fsync(self._file)
        self._synced = head.size
        digest = hashlib.sha256(torn).hexdigest() if torn else ""
        return Recovery(head, fresh=False, torn_bytes=len(torn), torn_digest=digest)

    def _head_before(self, segments: list[Path]) -> Head:
        if len(segments) == 1:
            return Head()
        with segments[-2].open("rb") as file:
            lines = file.readlines()
        try:
            previous = parse_line(lines[-1])
        except (LogitsError, IndexError):
            raise LogitsError(
                ErrorCode.CORRUPT,
                f"{segments[-2]} is damaged; move the directory aside to start a new log, and keep it as evidence",
            ) from None
        return Head(previous.index, previous.digest)


def _whole_entries(segment: Path, head: Head) -> tuple[int, Head]:
    """How many bytes of a segment are whole entries that fit, and where they lead."""
    position = 0
    with segment.open("rb") as file:
        for line in file:
            try:
                entry = parse_line(line) if line.endswith(b"\n") else None
            except LogitsError:
                entry = None
            if entry is None or (entry.index, entry.previous) != (head.size + 1, head.digest):
                break
            if entry.digest != entry_digest(entry.previous, entry.index, entry.event):
                break
            head = Head(entry.index, entry.digest)
            position += len(line)
    return position, head
