"""Tiles: how a log lies on disk and goes over the wire, as C2SP tlog-tiles has it."""

from __future__ import annotations

import re

from logits_core.audit.merkle import HASH_BYTES, frontier_of
from logits_core.errors import ErrorCode, LogitsError

WIDTH = 256
"""Entries in a full bundle, and hashes in a full tile."""
HEIGHT = 8
MAX_ENTRY_BYTES = 65_535
_LENGTH_BYTES = 2
_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,4})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


def tile_path(level: int | None, index: int, width: int = WIDTH) -> str:
    """The path of a tile below a log's prefix.

    Args:
        level: of the hashes; None for the entries themselves.
        index: of the tile in its level.
        width: how many hashes or entries it has.
    """
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{'/'.join(parts)}{partial}"


def parse_tile_path(path: str) -> tuple[int | None, int, int]:
    """Level (None for entries), index and width of a tile's path.

    Raises:
        LogitsError: NOT_FOUND when it is no such path in its one spelling.
    """
    found = _PATH.fullmatch(path)
    if found is not None:
        level = None if found[1] == "entries" else int(found[1])
        index = int(found[2].replace("x", "").replace("/", "") + found[3])
        width = int(found[4] or WIDTH)
        if tile_path(level, index, width) == path:
            return level, index, width
    raise LogitsError(ErrorCode.NOT_FOUND, "the log has no such tile")


def encode_entry(entry: bytes) -> bytes:
    """An entry with its length before it, as bundles hold it.

    Raises:
        LogitsError: TOO_LARGE when it has more than 65,535 bytes.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"an audit event has more than {MAX_ENTRY_BYTES} bytes")
    return len(entry).to_bytes(_LENGTH_BYTES, "big") + entry


def decode_bundle(data: bytes) -> list[bytes]:
    """The whole entries at the beginning of a bundle; what follows them is torn or damaged."""
    entries: list[bytes] = []
    position = 0
    while position + _LENGTH_BYTES <= len(data) and len(entries) < WIDTH:
        start = position + _LENGTH_BYTES
        end = start + int.from_bytes(data[position:start], "big")
        if end > len(data) or end == start:
            break
        entries.append(data[start:end])
        position = end
    return entries


def hashes_of(tile: bytes) -> list[bytes]:
    """The hashes in a tile."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def tile_root(hashes: list[bytes]) -> bytes:
    """The root of a full tile, which is one hash of the level above."""
    return frontier_of(hashes).root
