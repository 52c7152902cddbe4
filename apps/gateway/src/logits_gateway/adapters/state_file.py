"""The Gateway's memory on its volume: trusted metadata, releases, counters and its key for digests."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Accepted, Pins, Progress, RepositoryFiles, Trusted, TrustedPair, root_pin
from logits_core.rollout.agreement import proven
from logits_shell.files import write_whole

_STATE = "state.json"
_KEY = "digest.key"
_REPORT_BLOCK = 1_000_000


class _Release(msgspec.Struct, frozen=True):
    content: str
    proof: str


class _State(msgspec.Struct, frozen=True, rename="camel"):
    images: RepositoryFiles = RepositoryFiles()
    director: RepositoryFiles = RepositoryFiles()
    offered: str = ""
    accepted: _Release | None = None
    good: _Release | None = None
    failed: int = 0
    since: float = 0.0
    floor: int = 0
    report_floor: int = 0


class StateFile:
    """Reads and writes the state; every write is whole or not at all.

    What the pinned roots don't vouch for is not read back: stored releases are verified again, offline.

    Args:
        directory: on the Gateway's volume.
        pins: the roots that the customer installed.
    """

    def __init__(self, directory: Path, pins: Pins) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        found = self._load()
        images, director = _pinned(found.images, pins.images), _pinned(found.director, pins.director)
        # When the customer pins other roots, metadata and releases of the old ones go; the counter's floor stays.
        self.trusted = TrustedPair(images, director)
        self.offered = found.offered.encode()
        self.progress = Progress(
            accepted=_proven(images, found.accepted),
            good=_proven(images, found.good),
            failed=found.failed,
            since=found.since,
            floor=found.floor,
        )
        # Reports are numbered upwards across restarts; a block is reserved so that few writes are needed.
        self.report_floor = found.report_floor + _REPORT_BLOCK
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

    def trust(self, trusted: TrustedPair, offered: bytes) -> None:
        """Remember verified metadata and the release file that came with it, on disk before this returns.

        Raises:
            OSError: the volume can't be written.
        """
        if (trusted, offered) != (self.trusted, self.offered):
            self.trusted, self.offered = trusted, offered
            self._store()

    def _load(self) -> _State:
        path = self._directory / _STATE
        if not path.exists():
            return _State()
        try:
            return msgspec.json.decode(path.read_bytes(), type=_State)
        except msgspec.MsgspecError:
            raise LogitsError(
                ErrorCode.CORRUPT, f"{path} is damaged; restore it, or move it aside to start anew"
            ) from None

    def _store(self) -> None:
        progress = self.progress
        document = _State(
            images=self.trusted.images.files(),
            director=self.trusted.director.files(),
            offered=self.offered.decode(),
            accepted=_stored(progress.accepted),
            good=_stored(progress.good),
            failed=progress.failed,
            since=progress.since,
            floor=progress.floor,
            report_floor=self.report_floor,
        )
        write_whole(self._directory / _STATE, msgspec.json.encode(document))

    def _digest_key(self) -> bytes:
        path = self._directory / _KEY
        if not path.exists():
            write_whole(path, secrets.token_bytes(32))
        return path.read_bytes()


def _pinned(files: RepositoryFiles, pin: str) -> Trusted:
    stored = Trusted.stored(files)
    return stored if any(root_pin(root) == pin for root in stored.roots) else Trusted()


def _proven(images: Trusted, release: _Release | None) -> Accepted | None:
    if release is None:
        return None
    return proven(images, release.content.encode(), release.proof.encode())


def _stored(accepted: Accepted | None) -> _Release | None:
    return _Release(accepted.content.decode(), accepted.proof.decode()) if accepted else None
