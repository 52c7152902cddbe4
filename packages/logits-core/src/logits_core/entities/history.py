"""The history of changes, and what a watcher with a selector sees of each of them."""

from dataclasses import dataclass
from typing import Literal

from logits_core.entities.changes import stamped
from logits_core.entities.model import Entity
from logits_core.entities.selectors import EVERYTHING, Selector

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
"""What happened, as a watcher is told."""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of one entity.

    Attributes:
        revision: the global commit counter after it.
        plural: kind of the entity, as in paths.
        name: name of the entity.
        before: the entity as it was; None when it was created.
        after: the entity as it became; None when it was removed.
    """

    revision: int
    plural: str
    name: str
    before: Entity | None
    after: Entity | None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What one watcher is told of one change."""

    type: EventType
    entity: Entity


def event_for(change: Change, selector: Selector = EVERYTHING) -> WatchEvent | None:
    """Return what a watcher with ``selector`` is told of ``change``, or None if nothing.

    An entity that begins to match is added, one that no longer matches is deleted: each watcher sees a
    consistent world of its own. A deleted entity carries the revision of its deletion.
    """
    was = change.before is not None and selector.matches(change.before.metadata.labels)
    if change.after is not None and selector.matches(change.after.metadata.labels):
        return WatchEvent("MODIFIED" if was else "ADDED", change.after)
    if was and change.before is not None:
        return WatchEvent("DELETED", stamped(change.after or change.before, change.revision))
    return None
