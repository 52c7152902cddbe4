"""One connection to a database file: typed rows, transactions, and failures in our own words."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from logits_core.errors import ErrorCode, LogitsError

OLDEST_SQLITE: Final = (3, 51, 3)
"""First version without the corruption that two connections could cause at a WAL reset."""

Value = int | str | None
Bindings = Sequence[Value] | Mapping[str, Value]

_PRAGMAS: Final = """
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA synchronous = FULL;
"""
"""Settings of every connection: refuse damaged cells, bound the WAL, sync every commit."""


class Connection:
    """A connection that one thread uses at a time.

    Every method raises ``LogitsError``: ``CORRUPT`` for a damaged file, else ``UNAVAILABLE``.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        with _in_our_words(path):
            self._connection = apsw.Connection(str(path), flags=flags)
        self.rows(_PRAGMAS)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, sql: str, bindings: Bindings = ()) -> list[tuple[Any, ...]]:
        """Run statements and return all rows."""
        with _in_our_words(self.path):
            return list(self._connection.execute(sql, bindings))  # pyright: ignore[reportUnknownMemberType]

    def value(self, sql: str, bindings: Bindings = ()) -> Any:
        """Run a query and return the first column of its first row, or None without rows."""
        rows = self.rows(sql, bindings)
        return rows[0][0] if rows else None

    def changed(self) -> int:
        """Return how many rows the last statement changed."""
        return self._connection.changes()

    @contextmanager
    def transaction(self, kind: str = "DEFERRED") -> Generator[None]:
        """Commit at the end of the block, or roll back when it (or the commit) fails."""
        self.rows(f"BEGIN {kind}")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self.rows("ROLLBACK")
            raise


def require_sqlite() -> None:
    """Refuse an SQLite library that can corrupt the file.

    Raises:
        LogitsError: ``UNAVAILABLE``.
    """
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            f"SQLite {version} can corrupt this database. Install apsw 3.51.3 or newer.",
        )


def damaged(path: Path, detail: str) -> LogitsError:
    """Return the refusal for a file whose structure doesn't hold."""
    return LogitsError(
        ErrorCode.CORRUPT,
        f"The entity database {path} is damaged ({detail[:200]}). Put a backup in its place, "
        "or move it away to start with an empty one.",
    )


@contextmanager
def _in_our_words(path: Path) -> Generator[None]:
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise damaged(path, str(error)) from error
    except apsw.FullError as error:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            "The volume of the Entity DB is full; nothing was changed. Enlarge it or delete entities.",
            retry_after=30,
        ) from error
    except apsw.Error as error:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            f"The Entity DB's storage failed ({type(error).__name__}); nothing was changed. Try again, "
            f"and look at the volume that holds {path} if it persists.",
            retry_after=5,
        ) from error
