"""All objects of the embedded cluster, their common revision counter and the recent changes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from logits_local.api.errors import expired
from logits_local.api.resources import BY_KEY, RESOURCES, Object, ResourceType

HISTORY_PER_RESOURCE = 1000
"""Changes kept of each resource; a watch that starts before them gets 410."""


class Durable(Protocol):
    """Where objects outlast the process."""

    def load(self) -> tuple[int, list[tuple[str, Object]]]:
        """The last revision and every object with its key."""
        ...

    def commit(self, revision: int, key: str, value: Object | None) -> None:
        """Keep an object, or forget it when None."""
        ...


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
    """Objects and their changes; every write is durable before anybody sees it.

    Objects that go in or come out are shared: nobody changes them in place.

    Args:
        durable: where objects outlast the process.
        history: changes kept per resource.
    """

    def __init__(self, durable: Durable, history: int = HISTORY_PER_RESOURCE) -> None:
        self._durable = durable
        self._history = history
        self._observers: list[Callable[[Change], None]] = []
        self.revision, loaded = durable.load()
        self._shelves = {resource.key: _Shelf(compacted=self.revision) for resource in RESOURCES}
        self._by_uid: dict[str, tuple[str, Object]] = {}
        for key, value in loaded:
            resource_key, namespace, name = key.rsplit(" ", 2)
            self._shelves[resource_key].objects[(namespace, name)] = value
            self._by_uid[value["metadata"]["uid"]] = (resource_key, value)

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
        metadata = value["metadata"]
        where = (metadata.get("namespace", ""), metadata["name"])
        shelf = self._shelves[resource.key]
        revision = self.revision + 1
        stored: Object = {**value, "metadata": {**metadata, "resourceVersion": str(revision)}}
        self._durable.commit(revision, " ".join((resource.key, *where)), stored)
        previous = shelf.objects.get(where)
        shelf.objects[where] = stored
        self._by_uid[metadata["uid"]] = (resource.key, stored)
        self._announce(shelf, Change(revision, stored, previous))
        return stored

    def remove(self, resource: ResourceType, value: Object) -> Object:
        """Commit the removal of an object; returns its last state."""
        metadata = value["metadata"]
        where = (metadata.get("namespace", ""), metadata["name"])
        shelf = self._shelves[resource.key]
        revision = self.revision + 1
        self._durable.commit(revision, " ".join((resource.key, *where)), None)
        previous = shelf.objects.pop(where)
        self._by_uid.pop(previous["metadata"]["uid"], None)
        last: Object = {**value, "metadata": {**metadata, "resourceVersion": str(revision)}}
        self._announce(shelf, Change(revision, last, previous, deleted=True))
        return last

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
