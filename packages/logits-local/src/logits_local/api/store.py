"""All objects of the embedded cluster, their common revision counter and the recent changes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_local.api.errors import expired
from logits_local.api.resources import BY_KEY, RESOURCES, Object, ResourceType

HISTORY_PER_RESOURCE = 1000
"""Changes kept of each resource; a watch that starts before them gets 410."""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write.

    Attributes:
        revision: the revision that it made.
        current: the object after it; for a deletion the last state, with the deletion's revision.
        previous: the object before it, None for a creation.
        deleted: whether it removed the object.
    """

    revision: int
    current: Object
    previous: Object | None
    deleted: bool = False


@dataclass(slots=True)
class _Shelf:
    """One resource's objects by (namespace, name), its recent changes and who waits for the next."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict[tuple[str, str], Object])
    changes: deque[Change] = field(default_factory=deque[Change])
    compacted: int = 0
    waiting: set[Callable[[], None]] = field(default_factory=set[Callable[[], None]])


class Store:
    """Objects and their changes; every write is in the file before anybody sees it.

    A commit survives the death of the process at any moment (not necessarily a power cut: nothing
    waits for the disk). Objects that go in or come out are shared: nobody changes them in place.

    Args:
        path: the SQLite file, held exclusively while it is open; ``:memory:`` to keep nothing.
        history: changes kept per resource.

    Raises:
        LogitsError: UNAVAILABLE when another process holds the file, CORRUPT when it isn't ours.
    """

    def __init__(self, path: Path | str, history: int = HISTORY_PER_RESOURCE) -> None:
        self._history = history
        self._observers: list[Callable[[Change], None]] = []
        self._connection = apsw.Connection(str(path))
        try:
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
                self._run(f"PRAGMA {pragma}")
            self._run("CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, body BLOB NOT NULL)")
            self._run("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
            self._run("INSERT OR IGNORE INTO state VALUES ('revision', 0)")
        except apsw.BusyError:
            message = f"{path} is in use by another embedded cluster; stop that one first"
            raise LogitsError(ErrorCode.UNAVAILABLE, message) from None
        except (apsw.NotADBError, apsw.CorruptError):
            message = f"{path} is no database of the embedded cluster; move it away to start afresh"
            raise LogitsError(ErrorCode.CORRUPT, message) from None
        self.revision: int = self._run("SELECT value FROM state WHERE name = 'revision'")[0][0]
        self._shelves = {resource.key: _Shelf(compacted=self.revision) for resource in RESOURCES}
        self._by_uid: dict[str, tuple[str, Object]] = {}
        for key, body in self._run("SELECT key, body FROM objects"):
            value = msgspec.json.decode(body, type=dict[str, Any])
            resource_key, namespace, name = key.rsplit(" ", 2)
            self._shelves[resource_key].objects[(namespace, name)] = value
            self._by_uid[value["metadata"]["uid"]] = (resource_key, value)

    def _run(self, statement: str, *values: str | bytes | int) -> list[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        return list(cast("Iterable[tuple[Any, ...]]", cursor.execute(statement, values)))  # pyright: ignore[reportUnknownMemberType]

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def get(self, resource: ResourceType, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._shelves[resource.key].objects.get((namespace, name))

    def objects(self, resource: ResourceType, namespace: str = "") -> list[Object]:
        """A resource's objects by namespace and name; of all namespaces when that is empty."""
        rows = sorted(self._shelves[resource.key].objects.items())
        return [value for (where, _), value in rows if namespace in ("", where)]

    def with_uid(self, uid: str) -> Object | None:
        """The object with this uid, or None."""
        found = self._by_uid.get(uid)
        return found[1] if found else None

    def everything(self) -> list[tuple[ResourceType, Object]]:
        """Every object with its resource."""
        return [(BY_KEY[key], value) for key, value in self._by_uid.values()]

    def put(self, resource: ResourceType, value: Object) -> Object:
        """Commit an object that is new or replaces the one of its name; returns it with its revision."""
        return self._commit(resource, value, deleted=False)

    def remove(self, resource: ResourceType, value: Object) -> Object:
        """Commit the removal of an object; returns its last state."""
        return self._commit(resource, value, deleted=True)

    def _commit(self, resource: ResourceType, value: Object, *, deleted: bool) -> Object:
        metadata, shelf, revision = value["metadata"], self._shelves[resource.key], self.revision + 1
        where = (metadata.get("namespace", ""), metadata["name"])
        key = " ".join((resource.key, *where))
        stored: Object = {**value, "metadata": {**metadata, "resourceVersion": str(revision)}}
        with self._connection:
            if deleted:
                self._run("DELETE FROM objects WHERE key = ?", key)
            else:
                self._run("REPLACE INTO objects VALUES (?, ?)", key, msgspec.json.encode(stored))
            self._run("UPDATE state SET value = ? WHERE name = 'revision'", revision)
        previous = shelf.objects.pop(where, None)
        if deleted:
            self._by_uid.pop(metadata["uid"], None)
        else:
            shelf.objects[where] = stored
            self._by_uid[metadata["uid"]] = (resource.key, stored)
        self._announce(shelf, Change(revision, stored, previous, deleted))
        return stored

    def _announce(self, shelf: _Shelf, change: Change) -> None:
        self.revision = change.revision
        if len(shelf.changes) >= self._history:
            shelf.compacted = shelf.changes.popleft().revision
        shelf.changes.append(change)
        for wake in tuple(shelf.waiting):
            wake()
        for observe in self._observers:
            observe(change)

    def changes_after(self, resource: ResourceType, revision: int) -> list[Change]:
        """The resource's changes after a revision, oldest first.

        Raises:
            StatusError: Expired when some of them are no longer kept, or the revision was never reached.
        """
        shelf = self._shelves[resource.key]
        if revision < shelf.compacted:
            raise expired(f"too old resource version: {revision} ({shelf.compacted})")
        if revision > self.revision:  # from an earlier life of this cluster: only a new list can help
            raise expired(f"too large resource version: {revision}, current: {self.revision}")
        start = bisect_right(shelf.changes, revision, key=lambda change: change.revision)
        return [shelf.changes[index] for index in range(start, len(shelf.changes))]

    def listen(self, resource: ResourceType, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` after every change of a resource; returns what ends that."""
        waiting = self._shelves[resource.key].waiting
        waiting.add(wake)
        return lambda: waiting.discard(wake)

    def observe(self, observer: Callable[[Change], None]) -> None:
        """Call ``observer`` with every change of any resource, for the life of the store."""
        self._observers.append(observer)
