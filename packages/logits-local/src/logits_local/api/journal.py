"""The file that the embedded cluster's objects live in, so that they outlast the process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_local.api.resources import Object

FORMAT = 1


class Journal:
    """Objects by key with the revision of their last write, in one SQLite file.

    A commit survives the death of the process at any moment (not necessarily a power cut: nothing
    waits for the disk). The file is held exclusively while it is open.

    Args:
        path: the file; made with its directory when missing.

    Raises:
        LogitsError: UNAVAILABLE when another process holds the file, CORRUPT when it isn't ours.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = apsw.Connection(str(path))
        try:
            self._open()
        except apsw.BusyError:
            message = f"{path} is in use by another embedded cluster; stop that one first"
            raise LogitsError(ErrorCode.UNAVAILABLE, message) from None
        except (apsw.NotADBError, apsw.CorruptError):
            message = f"{path} is no database of the embedded cluster; move it away to start afresh"
            raise LogitsError(ErrorCode.CORRUPT, message) from None

    def _open(self) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
            self._run(f"PRAGMA {pragma}")
        found = self._run("PRAGMA user_version")[0][0]
        foreign = found == 0 and self._run("SELECT 1 FROM sqlite_master")
        if foreign or found not in (0, FORMAT):
            message = f"the cluster's database has format {found}, this version of Logits reads {FORMAT}"
            raise LogitsError(ErrorCode.CORRUPT, f"{message}; move it away to start afresh")
        with self._connection:
            self._run("CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, body BLOB NOT NULL)")
            self._run("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
            self._run("INSERT OR IGNORE INTO state VALUES ('revision', 0)")
            self._run(f"PRAGMA user_version = {FORMAT}")

    def _run(self, statement: str, *values: str | bytes | int) -> list[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        return list(cast("Iterable[tuple[Any, ...]]", cursor.execute(statement, values)))  # pyright: ignore[reportUnknownMemberType]

    def load(self) -> tuple[int, list[tuple[str, Object]]]:
        """The last revision and every object with its key."""
        revision = self._run("SELECT value FROM state WHERE name = 'revision'")[0][0]
        rows = self._run("SELECT key, body FROM objects ORDER BY key")
        return revision, [(key, msgspec.json.decode(body, type=dict[str, Any])) for key, body in rows]

    def commit(self, revision: int, key: str, value: Object | None) -> None:
        """Keep an object, or forget it when ``value`` is None, together with the new revision."""
        with self._connection:
            if value is None:
                self._run("DELETE FROM objects WHERE key = ?", key)
            else:
                self._run("REPLACE INTO objects VALUES (?, ?)", key, msgspec.json.encode(value))
            self._run("UPDATE state SET value = ? WHERE name = 'revision'", revision)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
