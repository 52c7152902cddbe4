"""The Gateway's memory on its volume: accepted releases, counters and its key for digests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Progress, SignedRelease, verify

_STATE = "state.json"
_KEY = "digest.key"
_REPORT_BLOCK = 1_000_000


class StateFile:
    """Reads and writes the state; every write is whole or not at all.

    Args:
        directory: on the Gateway's volume.
        public_keys: raw release keys; stored releases are verified again when they are read.
    """

    def __init__(self, directory: Path, public_keys: Iterable[bytes]) -> None:
        self._directory = directory
        self._public_keys = tuple(public_keys)
        directory.mkdir(parents=True, exist_ok=True)
        document = self._load()
        self.progress = Progress(
            accepted=self._release(document.get("accepted")),
            good=self._release(document.get("good")),
            failed=int(document.get("failed", 0)),
            since=float(document.get("since", 0.0)),
            floor=int(document.get("floor", 0)),
        )
        # Reports are numbered upwards across restarts; a block is reserved so that few writes are needed.
        self.report_floor = int(document.get("reportFloor", 0)) + _REPORT_BLOCK
        self._store()
        self.digest_key = self._digest_key()

    def store(self, progress: Progress) -> None:
        """Remember the progress of a rollout, on disk before this returns.

        Raises:
            OSError: the volume can't be written.
        """
        if progress != self.progress:
            self.progress = progress
            self._store()

    def _load(self) -> Mapping[str, Any]:
        path = self._directory / _STATE
        if not path.exists():
            return {}
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except msgspec.MsgspecError:
            raise LogitsError(
                ErrorCode.CORRUPT, f"{path} is damaged; restore it, or move it aside to start anew"
            ) from None

    def _release(self, document: Any) -> Accepted | None:
        if document is None:
            return None
        try:
            envelope = SignedRelease.parse(document)
            return Accepted(verify(envelope, self._public_keys), envelope)
        except LogitsError:
            return None  # the customer replaced the keys; the counter's floor stays

    def _store(self) -> None:
        progress = self.progress
        document = {
            "accepted": progress.accepted.envelope.document() if progress.accepted else None,
            "good": progress.good.envelope.document() if progress.good else None,
            "failed": progress.failed,
            "since": progress.since,
            "floor": progress.floor,
            "reportFloor": self.report_floor,
        }
        write_whole(self._directory / _STATE, msgspec.json.encode(document))

    def _digest_key(self) -> bytes:
        path = self._directory / _KEY
        if not path.exists():
            write_whole(path, secrets.token_bytes(32))
        return path.read_bytes()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that after a crash it is either the old or the new one."""
    fresh = path.with_suffix(path.suffix + ".new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
