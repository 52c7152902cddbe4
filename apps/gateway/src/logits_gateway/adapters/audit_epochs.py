"""Epochs of the audit log: one log goes on as long as nothing of it is lost; else a new one says so."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.audit import Checkpoint, Frontier, LogKey, read_checkpoint
from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.tile_files import TileFiles
from logits_shell.files import write_whole

ORIGIN = "logits.ai/audit"
LOST = "lost"
"""A file that gives up a log and says why; the next start begins another one."""
_SEED_BYTES = 32


@dataclass(frozen=True)
class Epoch:
    """The log that is written now.

    Attributes:
        number: counted from 1.
        files: its files.
        key: signs its checkpoints and receipts; made here, never sent anywhere.
        frontier: the tree over what it holds.
        notes: what the first record after opening must say: the reason, what came before, what was torn.
        lock: keeps a second Gateway from writing; held as long as this process lives.
    """

    number: int
    files: TileFiles
    key: LogKey
    frontier: Frontier
    notes: dict[str, str] = field(default_factory=dict[str, str])
    lock: int = -1


def open_epoch(directory: Path, environment: str) -> Epoch:
    """Open the newest log, or begin the next one.

    Args:
        directory: of all epochs, on the Gateway's volume.
        environment: this environment's id, part of the log's name.

    Raises:
        LogitsError: CONFLICT when another process writes there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = _lock(directory)
    numbers = epoch_numbers(directory)
    if not numbers:
        return _begin(directory, environment, 1, _older_chain(directory), lock)
    number = numbers[-1]
    files, key = TileFiles(directory / f"{number:04}"), read_key(directory, number)
    known: Checkpoint | None = None
    try:
        if key is None:
            raise LogitsError(ErrorCode.CORRUPT, "its key is gone")
        if (lost_path := files.directory / LOST).exists():
            raise LogitsError(ErrorCode.CORRUPT, lost_path.read_text(encoding="utf-8"))
        known = stored_checkpoint(files, key)
        found = files.recover(known)
        if known is not None and found.known_root != known.root:
            raise LogitsError(ErrorCode.CORRUPT, "entries that its last checkpoint covers are missing or changed")
    except LogitsError as error:
        return _begin(directory, environment, number + 1, _ended(error.message, key, known), lock)
    if not key.name.startswith(f"{ORIGIN}/{environment}/"):
        last = Checkpoint(key.name, found.frontier.size, found.frontier.root)
        write_whole(files.directory / "checkpoint", key.sign_note(last.text()).encode())
        notes = _ended("the Gateway was given another environment", key, last)
        return _begin(directory, environment, number + 1, notes, lock)
    notes = {"epoch": "continued"}
    if found.torn_bytes:
        notes |= {"torn-bytes": str(found.torn_bytes), "torn-sha256": found.torn_digest}
    return Epoch(number, files, key, found.frontier, notes, lock)


def named_key(environment: str, number: int, private: Ed25519PrivateKey) -> LogKey:
    """A key with the name of its log, which no other log has: a wiped volume begins with another key."""
    digest = hashlib.sha256(private.public_key().public_bytes_raw()).hexdigest()
    return LogKey(f"{ORIGIN}/{environment}/{number}.{digest[:8]}", private)


def epoch_numbers(directory: Path) -> list[int]:
    """The numbers of all logs, oldest first."""
    return sorted(int(path.name) for path in directory.iterdir() if re.fullmatch(r"[0-9]{4}", path.name))


def read_key(directory: Path, number: int) -> LogKey | None:
    """The key of a log, with the name that the log was begun under, or None when it is gone."""
    path = directory / f"{number:04}.key"
    content = path.read_bytes() if path.exists() else b""
    seed, environment = content[:_SEED_BYTES], content[_SEED_BYTES:].decode("utf-8", "replace")
    if len(seed) != _SEED_BYTES or not environment:
        return None
    return named_key(environment, number, Ed25519PrivateKey.from_private_bytes(seed))


def stored_checkpoint(files: TileFiles, key: LogKey) -> Checkpoint | None:
    """The last checkpoint on disk, None before the first.

    Raises:
        LogitsError: CORRUPT when it doesn't verify.
    """
    path = files.directory / "checkpoint"
    if not path.exists():
        return None
    return read_checkpoint(path.read_text(encoding="utf-8", errors="replace"), key.name, key.public)


def _begin(directory: Path, environment: str, number: int, notes: dict[str, str], lock: int) -> Epoch:
    private = Ed25519PrivateKey.generate()
    write_whole(directory / f"{number:04}.key", private.private_bytes_raw() + environment.encode())
    files = TileFiles(directory / f"{number:04}")
    return Epoch(number, files, named_key(environment, number, private), Frontier(), notes, lock)


def _ended(reason: str, key: LogKey | None, known: Checkpoint | None) -> dict[str, str]:
    """What the next log says about the one before."""
    notes = {"epoch": "new", "reason": reason, "previous-origin": key.name if key else "unknown"}
    if known is None:
        return notes
    return notes | {"previous-size": str(known.size), "previous-root": base64.b64encode(known.root).decode()}


def _older_chain(directory: Path) -> dict[str, str]:
    """What the first record says about a log in the older format of linked lines, which stays beside it."""
    segments = sorted(directory.glob("*.jsonl"))
    if not segments:
        return {"epoch": "first"}
    notes = {"epoch": "new", "reason": "the log before was a chain of lines; its files stay beside this one"}
    for segment in reversed(segments):
        for line in reversed(segment.read_bytes().splitlines()):
            try:
                entry = msgspec.json.decode(line, type=dict[str, object])
            except msgspec.MsgspecError:
                continue  # torn by a crash
            return notes | {"previous-size": str(entry.get("index")), "previous-hash": str(entry.get("hash"))}
    return notes


def _lock(directory: Path) -> int:
    file = os.open(directory / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise LogitsError(
            ErrorCode.CONFLICT, "another Gateway writes this audit log; there must be one only, stop the other"
        ) from None
    return file
