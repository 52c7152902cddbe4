"""The volume: one process at a time, damaged files set aside, checked backups in rotation."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio

from logits_core.entities.sqlite import SqliteStore, backup
from logits_core.errors import ErrorCode, LogitsError

DATABASE: Final = "entities.db"
_DAMAGED: Final = ".damaged-"
_RETRY_SECONDS: Final = 0.2


class Volume:
    """The directory of one Entity DB.

    Args:
        directory: made when missing; must be a local file system or a block volume, never NFS.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.database = directory / DATABASE
        self.backups = directory / "backups"

    async def lock(self, wait_seconds: float, owner: str) -> int:
        """Take the directory for this process and return the lock's file descriptor; the kernel frees it.

        Raises:
            LogitsError: ``UNAVAILABLE`` when another process keeps it, or when it cannot be written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._directory / "entities.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"The data directory {self._directory} cannot be used: {error.strerror}. "
                "Check that the volume is mounted and that this process may write to it.",
                field="LOGITS_DATA_DIRECTORY",
            ) from error
        with anyio.move_on_after(wait_seconds):
            while not _locked(descriptor):  # noqa: ASYNC110 - another process' lock sends no event
                await anyio.sleep(_RETRY_SECONDS)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, owner.encode(), 0)
            return descriptor
        holder = os.pread(descriptor, 256, 0).decode(errors="replace")
        os.close(descriptor)
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            f"Another Entity DB ({holder or 'unknown'}) uses {self._directory}. Stop it, or give this one a "
            "directory of its own.",
            field="LOGITS_DATA_DIRECTORY",
        )

    @contextmanager
    def opened(self, now: datetime) -> Generator[SqliteStore]:
        """Open the database for the time of the block; a damaged one is set aside and refused.

        Once a damaged file was set aside, no empty database takes its place: the Controller would read it as
        the wish to remove everything. A person decides.

        Raises:
            LogitsError: ``CORRUPT`` or ``UNAVAILABLE``, saying what to do.
        """
        self._refuse_unresolved()
        try:
            store = SqliteStore(self.database)
        except LogitsError as error:
            if error.code is ErrorCode.CORRUPT:
                self._set_aside(now)
                self._refuse_unresolved()
            raise
        try:
            yield store
        finally:
            store.close()

    def back_up(self, now: datetime, keep: int) -> Path:
        """Write a checked backup, sync it, and delete all but the newest ``keep``.

        Raises:
            LogitsError: the backup could not be made; earlier ones stay.
        """
        try:
            self.backups.mkdir(exist_ok=True)
            partial = self.backups / "partial"
            partial.unlink(missing_ok=True)
            backup(self.database, partial)
            target = self.backups / f"{DATABASE}.{_stamp(now)}"
            _sync(partial)
            partial.rename(target)
            _sync(self.backups)
            for old in sorted(self.backups.glob(f"{DATABASE}.*"))[:-keep]:
                old.unlink()
        except OSError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"The backup could not be written: {error.strerror}. Look at the volume.",
            ) from error
        return target

    def _set_aside(self, now: datetime) -> None:
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.database}{suffix}")
            if part.exists():
                part.rename(self._directory / f"{DATABASE}{_DAMAGED}{_stamp(now)}{suffix}")

    def _refuse_unresolved(self) -> None:
        damaged = sorted(self._directory.glob(f"{DATABASE}{_DAMAGED}*"))
        if self.database.exists() or not damaged:
            return
        backups = sorted(self.backups.glob(f"{DATABASE}.*"))
        newest = f"copy {backups[-1]} to {self.database}" if backups else f"put a backup at {self.database}"
        raise LogitsError(
            ErrorCode.CORRUPT,
            f"The entity database was damaged and set aside as {damaged[0]}. To restore, {newest} and start "
            "again; to begin with an empty one, move the damaged file out of the directory.",
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%S.%fZ")
