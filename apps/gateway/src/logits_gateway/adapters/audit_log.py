"""The audit log on the Gateway's volume: a Merkle tree, made durable before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from logits_core.audit import (
    WIDTH,
    Checkpoint,
    Frontier,
    canonical,
    encode_entry,
    leaf_hash,
    parse_tile_path,
)
from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.audit_epochs import LOST, epoch_numbers, open_epoch, read_key
from logits_gateway.adapters.kernel_sync import FileSync, file_sync
from logits_gateway.adapters.syncs import Syncs
from logits_gateway.adapters.tile_files import TileFiles
from logits_shell.files import write_whole

MAX_READ_ENTRIES = 500


class Entry(msgspec.Struct, frozen=True):
    """One record as it stands in the log: its index from 0, its bytes, and their hash in the tree."""

    index: int
    event: bytes
    leaf: bytes

    def line(self) -> bytes:
        """The entry as a line of JSON without its newline, as it is printed and shown."""
        return b'{"index":%d,"leaf":"%s","event":%s}' % (self.index, self.leaf.hex().encode(), self.event)


class LogFacts(msgspec.Struct, frozen=True):
    """A log for readers: where its files are, what it is called, and the key that signs it."""

    prefix: str
    origin: str
    key: str
    current: bool


class AuditLog:
    """Appends records to the newest log and reads all of them.

    One process writes. A failed write or sync breaks the log for the rest of the process' life,
    because nobody can know what the disk holds then; every later append is refused.

    Args:
        directory: of all logs; made if it isn't there.
        environment: this environment's id.
        output: gets every entry as a line too, for the Pod's own log.
        on_broken: told once why nothing more can be appended.
        disk: syncs the log's file; by default what is best here.
    """

    def __init__(
        self,
        directory: Path,
        environment: str,
        output: Callable[[bytes], None],
        *,
        on_broken: Callable[[str], None] = lambda _: None,
        disk: FileSync | None = None,
    ) -> None:
        self._directory = directory
        self._output = output
        self._on_broken = on_broken
        self._broken = ""
        self._signing = anyio.Lock()
        self.opening = open_epoch(directory, environment)
        self._files, self._key = self.opening.files, self.opening.key
        self._frontier = self.opening.frontier
        self._syncs = Syncs(
            self._frontier.size,
            written=lambda: self._frontier.size,
            file=lambda: self._file,
            disk=file_sync() if disk is None else disk,
        )
        self._bundle = self._frontier.size // WIDTH
        self._hashes = [leaf_hash(entry) for _, entry in self._files.entries(self._bundle * WIDTH, WIDTH)]
        self._file = self._files.open_bundle(self._bundle)
        os.fsync(self._file)
        self._signed = (-1, "")

    @property
    def origin(self) -> str:
        """The name of the log that is written."""
        return self._key.name

    @property
    def verifier(self) -> str:
        """The verifier key of the log that is written."""
        return self._key.verifier()

    @property
    def frontier(self) -> Frontier:
        """The tree over everything written."""
        return self._frontier

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._frontier.size

    @property
    def broken(self) -> str:
        """Why nothing more can be appended; empty when all is well."""
        return self._broken

    def close(self) -> None:
        """Close the files and let another process write."""
        self._syncs.close()
        for file in (self._file, self.opening.lock):
            if file >= 0:
                os.close(file)
        self._file = -1

    async def append(self, event: dict[str, Any], *, durable: bool) -> Entry:
        """Append a record.

        Args:
            event: of canonical JSON values.
            durable: return only when the disk has it.

        Raises:
            LogitsError: UNAVAILABLE when the log can't be written, TOO_LARGE.
        """
        if self._broken:
            raise self._unavailable()
        encoded = canonical(event)
        line = encode_entry(encoded)
        try:
            while len(self._hashes) >= WIDTH:
                await self._rotate()
            # From here to the end nothing is awaited, so no other entry comes between.
            self._write(line)
        except OSError as error:
            self._break(f"the audit log cannot be written: {error.strerror or 'i/o error'}")
            raise self._unavailable() from None
        entry = Entry(self._frontier.size, encoded, leaf_hash(encoded))
        self._hashes.append(entry.leaf)
        self._frontier = self._frontier.append(entry.leaf)
        self._output(entry.line())
        if durable:
            await self._make_durable(self._frontier.size)
        return entry

    def receipt(self, entry: Entry) -> str:
        """A signed promise that the entry stands in the log."""
        return self._key.receipt(entry.index, entry.leaf)

    async def checkpoint(self) -> str:
        """Make everything durable and sign it; on disk when this returns.

        Raises:
            LogitsError: UNAVAILABLE when the log can't be written.
        """
        if self._broken:
            raise self._unavailable()
        frontier = self._frontier
        if self._signed[0] < frontier.size:
            await self._make_durable(frontier.size)
            note = self._key.sign_note(Checkpoint(self._key.name, frontier.size, frontier.root).text())
            async with self._signing:
                if self._signed[0] < frontier.size:
                    try:
                        await anyio.to_thread.run_sync(write_whole, self._files.directory / "checkpoint", note.encode())
                    except OSError as error:
                        self._break(f"the audit log cannot be signed: {error.strerror or 'i/o error'}")
                        raise self._unavailable() from None
                    self._signed = (frontier.size, note)
        return self._signed[1]

    async def read(self, after: int, limit: int) -> list[bytes]:
        """Lines of the entries behind the first ``after`` ones, oldest first."""
        count = max(0, min(limit, MAX_READ_ENTRIES, self.size - after))

        def lines() -> list[bytes]:
            found = self._files.entries(after, count)
            return [Entry(index, event, leaf_hash(event)).line() for index, event in found]

        return await anyio.to_thread.run_sync(lines) if count else []

    def logs(self) -> list[LogFacts]:
        """Every log that there is, oldest first."""
        found: list[LogFacts] = []
        for number in epoch_numbers(self._directory):
            key = read_key(self._directory, number)
            name, verifier = (key.name, key.verifier()) if key else ("", "")
            found.append(LogFacts(f"/audit/log/{number:04}", name, verifier, number == self.opening.number))
        return found

    async def file(self, epoch: int, path: str) -> bytes:
        """A checkpoint or tile of a log, as C2SP tlog-tiles names them.

        Raises:
            LogitsError: NOT_FOUND, or UNAVAILABLE when the checkpoint can't be signed.
        """
        if path == "checkpoint":
            if epoch == self.opening.number:
                return (await self.checkpoint()).encode()
            return await anyio.to_thread.run_sync(self._old_checkpoint, epoch)
        level, index, width = parse_tile_path(path)
        if epoch not in epoch_numbers(self._directory):
            raise LogitsError(ErrorCode.NOT_FOUND, "there is no such log")
        files = TileFiles(self._directory / f"{epoch:04}")
        return await anyio.to_thread.run_sync(files.tile, level, index, width)

    def give_up(self, reason: str) -> None:
        """Close this log for ever; the next start begins another one that says why."""
        write_whole(self._files.directory / LOST, reason.encode())
        self._break(reason)

    def _old_checkpoint(self, epoch: int) -> bytes:
        path = self._directory / f"{epoch:04}" / "checkpoint"
        if not path.exists():
            raise LogitsError(ErrorCode.NOT_FOUND, "this log was never signed")
        return path.read_bytes()

    def _break(self, reason: str) -> None:
        if not self._broken:
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
        # The old file must be whole on disk before a successor puts it out of reach of syncs.
        size = self._frontier.size
        await self._syncs.reach(size)
        if self._frontier.size > size:
            return  # somebody else has done it
        # Nobody writes to a full file, so no sync of it is under way; from here on nothing is awaited.
        self._files.write_hash_tile(self._bundle, self._hashes)
        os.close(self._file)
        self._bundle += 1
        self._hashes = []
        self._file = self._files.open_bundle(self._bundle)

    async def _make_durable(self, size: int) -> None:
        try:
            await self._syncs.reach(size)
        except OSError as error:
            self._break(f"the audit log cannot be made durable: {error.strerror or 'i/o error'}")
            raise self._unavailable() from None
