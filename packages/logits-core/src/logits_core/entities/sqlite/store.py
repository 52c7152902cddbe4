"""The store: durable group commits, reads at a revision, migrations and backups.

One connection writes and another reads, so WAL mode lets a read never wait for a commit. ``synchronous=FULL``
syncs the log before a commit returns: what was acknowledged survives a power cut.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from logits_core.entities.changes import Write, not_found
from logits_core.entities.history import Change
from logits_core.entities.kinds import Kind
from logits_core.entities.model import Entity
from logits_core.entities.ports import Commit, Page
from logits_core.entities.revisions import Continuation, expired
from logits_core.entities.selectors import EVERYTHING, Selector
from logits_core.entities.sqlite.connection import Connection, damaged, require_sqlite
from logits_core.entities.sqlite.group import Group
from logits_core.entities.sqlite.rows import counter, decoded, find, set_counter
from logits_core.entities.sqlite.schema import APPLICATION_ID, MIGRATIONS, PAGE_OF_LIST, SCHEMA_VERSION
from logits_core.errors import ErrorCode, LogitsError


class SqliteStore:
    """An ``EntityStore`` in one file.

    ``commit`` and ``compact`` belong to one writing thread; the reads to one other.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file, bring it to this schema, and check its structure.

        Raises:
            LogitsError: ``CORRUPT`` when the file is damaged or not ours, ``UNAVAILABLE`` when it cannot be
                used by this program; the message says what to do.
        """
        require_sqlite()
        self._writer = Connection(path)
        try:
            _migrate(self._writer)
            _check(self._writer)
            self._reader = Connection(path)
        except BaseException:
            self._writer.close()
            raise
        self._revision = counter(self._writer, "revision")

    def close(self) -> None:
        """Close the file; the last connection folds the log into it."""
        self._reader.close()
        self._writer.close()

    def commit(self, writes: Sequence[Write]) -> Commit:
        """See ``EntityStore.commit``."""
        group = Group(self._writer, self._revision)
        with self._writer.transaction("IMMEDIATE"):
            answers = tuple(group.answer(write) for write in writes)
            group.finish()
        self._revision = group.revision
        return Commit(answers, tuple(group.changes))

    def get(self, kind: Kind, name: str) -> Entity:
        """See ``EntityStore.get``."""
        found = find(self._reader, kind.plural, name)
        if found is None:
            raise not_found(kind, name)
        return found

    def page(
        self,
        kind: Kind,
        *,
        limit: int,
        selector: Selector = EVERYTHING,
        start: Continuation | None = None,
    ) -> Page:
        """See ``EntityStore.page``."""
        with self._reader.transaction():
            current = counter(self._reader, "revision")
            revision, after = (start.revision, start.after) if start else (current, "")
            if start and not counter(self._reader, "compacted") <= revision <= current:
                raise expired(revision)
            items: list[Entity] = []
            while rows := self._rows(kind, revision, after, limit + 1):
                for name, entity in rows:
                    if selector.matches(entity.metadata.labels):
                        if len(items) == limit:
                            return Page(tuple(items), revision, Continuation(revision, after))
                        items.append(entity)
                    after = name
            return Page(tuple(items), revision)

    def _rows(self, kind: Kind, revision: int, after: str, limit: int) -> list[tuple[str, Entity]]:
        bindings = {"plural": kind.plural, "revision": revision, "after": after, "limit": limit}
        rows = cast("list[tuple[str, str]]", self._reader.rows(PAGE_OF_LIST, bindings))
        return [(name, decoded(text)) for name, text in rows]

    def changes(self, after: int, limit: int) -> tuple[Change, ...]:
        """See ``EntityStore.changes``."""
        sql = "SELECT revision, plural, name, before, after FROM change WHERE revision > ? ORDER BY 1 LIMIT ?"
        with self._reader.transaction():
            if not counter(self._reader, "compacted") <= after <= counter(self._reader, "revision"):
                raise expired(after)
            rows = cast("list[tuple[int, str, str, str | None, str | None]]", self._reader.rows(sql, (after, limit)))
        return tuple(
            Change(revision, plural, name, decoded(old) if old else None, decoded(new) if new else None)
            for revision, plural, name, old, new in rows
        )

    def revision(self) -> int:
        """See ``EntityStore.revision``."""
        return counter(self._reader, "revision")

    def compact(self, keep: int) -> int:
        """See ``EntityStore.compact``."""
        with self._writer.transaction("IMMEDIATE"):
            sql = "SELECT revision FROM change ORDER BY revision DESC LIMIT 1 OFFSET ?"
            last = cast("int | None", self._writer.value(sql, (keep,)))
            if last is None:
                return 0
            self._writer.rows("DELETE FROM change WHERE revision <= ?", (last,))
            forgotten = self._writer.changed()
            set_counter(self._writer, "compacted", last)
        return forgotten


def backup(source: Path, target: Path) -> None:
    """Write a consistent, checked copy of a live store to ``target``, which must not exist.

    It reads through a connection of its own, so the store keeps working. The caller syncs and renames.

    Raises:
        LogitsError: ``UNAVAILABLE`` or ``CORRUPT``; ``target`` may then be incomplete.
    """
    live = Connection(source, read_only=True)
    try:
        live.rows("VACUUM INTO ?", (str(target),))
    finally:
        live.close()
    copy = Connection(target)
    try:
        _check(copy)
    finally:
        copy.close()


def _migrate(writer: Connection) -> None:
    """Create or upgrade the tables, each step in a transaction of its own."""
    version = cast("int", writer.value("PRAGMA user_version"))
    if version == 0 and writer.value("SELECT count(*) FROM sqlite_schema") == 0:
        writer.rows(f"PRAGMA application_id = {APPLICATION_ID}")
    elif writer.value("PRAGMA application_id") != APPLICATION_ID:
        raise damaged(writer.path, "another program wrote it")
    if version > SCHEMA_VERSION and counter(writer, "readable_from") > SCHEMA_VERSION:
        raise LogitsError(
            ErrorCode.UNAVAILABLE,
            f"The entity database {writer.path} has schema {version}, this program knows {SCHEMA_VERSION}. "
            "Run the newer version again, or restore a backup made before the upgrade.",
        )
    writer.rows("PRAGMA journal_mode = WAL")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with writer.transaction("IMMEDIATE"):
            writer.rows(script)
            writer.rows(f"PRAGMA user_version = {number}")


def _check(connection: Connection) -> None:
    verdict = str(connection.value("PRAGMA quick_check(1)"))
    if verdict != "ok":
        raise damaged(connection.path, verdict)
