"""The files of one audit log: bundles of entries and tiles of hashes, as C2SP tlog-tiles lays them out.

Bundles are written by appending, so the newest one lies under its full name while it still grows;
everything else that a reader may ask for is derived from the bundles.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logits_core.audit import (
    WIDTH,
    Checkpoint,
    Frontier,
    decode_bundle,
    encode_entry,
    frontier_of,
    is_canonical,
    leaf_hash,
    tile_path,
)
from logits_core.audit.tiles import hashes_of, tile_root
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.files import sync_directory


@dataclass(frozen=True, slots=True)
class Recovered:
    """What reading a log's files found.

    Attributes:
        frontier: the tree over all whole entries.
        known_root: the root over the first ``size`` entries of the checkpoint that was asked about;
            None when there are fewer.
        torn_bytes: bytes behind the last whole entry, put aside.
        torn_digest: their SHA-256 in hex, empty when there are none.
    """

    frontier: Frontier
    known_root: bytes | None = None
    torn_bytes: int = 0
    torn_digest: str = ""


class TileFiles:
    """Reads and writes one log.

    Args:
        directory: the log's prefix; made if it isn't there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def bundle_path(self, index: int) -> Path:
        """Where a bundle lies, full or growing."""
        return self.directory / tile_path(None, index)

    def bundles(self) -> int:
        """How many bundles there are without a gap."""
        count = 0
        while self.bundle_path(count).exists():
            count += 1
        return count

    def open_bundle(self, index: int) -> int:
        """A file descriptor that appends to a bundle, which is made if it isn't there."""
        path = self.bundle_path(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        place = path.parent
        while place != self.directory.parent:
            sync_directory(place)
            place = place.parent
        return file

    def entries(self, first: int, count: int) -> Iterator[tuple[int, bytes]]:
        """Entries with their indexes, from ``first`` on, at most ``count``."""
        last = first + count
        while first < last:
            found = self._bundle(first // WIDTH)[first % WIDTH :]
            if not found:
                return
            for entry in found[: last - first]:
                yield first, entry
                first += 1

    def tile(self, level: int | None, index: int, width: int) -> bytes:
        """A tile or bundle as it goes over the wire.

        Raises:
            LogitsError: NOT_FOUND when the log isn't that long.
        """
        if level is None:
            found = [encode_entry(entry) for entry in self._bundle(index)[:width]]
        else:
            found = self._hashes(level, index, width)
        if len(found) < width:
            raise LogitsError(ErrorCode.NOT_FOUND, "the log is not that long")
        return b"".join(found)

    def recover(self, known: Checkpoint | None) -> Recovered:
        """Read all hashes, and put aside what a crash left behind the last whole entry.

        Args:
            known: the last checkpoint, to be compared.

        Raises:
            LogitsError: CORRUPT when a bundle that must be full isn't.
        """
        frontier, known_root, count = Frontier(), None, self.bundles()
        torn = b""
        for index in range(count):
            hashes = self._hashes(0, index, WIDTH) if index < count - 1 else None
            if hashes is None:
                hashes, torn = self._recover_last(index)
            elif len(hashes) < WIDTH:
                raise LogitsError(ErrorCode.CORRUPT, f"bundle {index} is damaged")
            if known is not None and frontier.size <= known.size <= frontier.size + len(hashes):
                known_root = frontier_of(hashes[: known.size - frontier.size], frontier).root
            frontier = frontier_of(hashes, frontier)
        if not count and known is not None and known.size == 0:
            known_root = frontier.root
        return Recovered(frontier, known_root, len(torn), hashlib.sha256(torn).hexdigest() if torn else "")

    def write_hash_tile(self, index: int, hashes: list[bytes]) -> None:
        """Keep the hashes of a full bundle, so that they needn't be computed again."""
        path = self.directory / tile_path(0, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(b"".join(hashes))
        fresh.replace(path)

    def _bundle(self, index: int) -> list[bytes]:
        path = self.bundle_path(index)
        return decode_bundle(path.read_bytes()) if path.exists() else []

    def _hashes(self, level: int, index: int, width: int) -> list[bytes]:
        if level == 0:
            path = self.directory / tile_path(0, index)
            stored = hashes_of(path.read_bytes()) if path.exists() else []
            return (stored if len(stored) == WIDTH else [leaf_hash(entry) for entry in self._bundle(index)])[:width]
        found: list[bytes] = []
        for below in range(index * WIDTH, index * WIDTH + width):
            hashes = self._hashes(level - 1, below, WIDTH)
            if len(hashes) < WIDTH:
                break
            found.append(tile_root(hashes))
        return found

    def _recover_last(self, index: int) -> tuple[list[bytes], bytes]:
        path = self.bundle_path(index)
        data = path.read_bytes()
        good = 0
        hashes: list[bytes] = []
        for entry in decode_bundle(data):
            if not is_canonical(entry):
                break
            hashes.append(leaf_hash(entry))
            good += len(encode_entry(entry))
        torn = data[good:]
        if torn:
            # Nothing is thrown away: what a crash left behind stays beside the log.
            (self.directory / f"{index}-{good}.torn").write_bytes(torn)
            os.truncate(path, good)
        return hashes, torn
