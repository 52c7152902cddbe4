"""What the Entity DB needs of a store: committed writes, consistent reads and a bounded history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from logits_core.entities.changes import Write
from logits_core.entities.history import Change
from logits_core.entities.kinds import Kind
from logits_core.entities.model import Entity
from logits_core.entities.revisions import Continuation
from logits_core.entities.selectors import EVERYTHING, Selector
from logits_core.errors import LogitsError


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        items: entities in order of their names.
        revision: the revision that the list shows; a watch from it misses nothing.
        following: where the next page begins; None on the last.
    """

    items: tuple[Entity, ...]
    revision: int
    following: Continuation | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What a group of writes came to.

    Attributes:
        answers: per write, in order, the entity that answers it or the refusal.
        changes: what was changed, in order of revision; empty if nothing was.
    """

    answers: tuple[Entity | LogitsError, ...]
    changes: tuple[Change, ...]


class EntityStore(Protocol):
    """Keeps entities and their history; one caller writes, any may read."""

    def commit(self, writes: Sequence[Write]) -> Commit:
        """Carry out ``writes`` in order and make them durable together before returning.

        A refused write changes nothing and doesn't disturb its neighbours.

        Raises:
            LogitsError: ``UNAVAILABLE`` or ``CORRUPT`` when the store failed; then none of them happened.
        """
        ...

    def get(self, kind: Kind, name: str) -> Entity:
        """Return one entity.

        Raises:
            LogitsError: ``NOT_FOUND``.
        """
        ...

    def page(
        self,
        kind: Kind,
        *,
        limit: int,
        selector: Selector = EVERYTHING,
        start: Continuation | None = None,
    ) -> Page:
        """Return at most ``limit`` entities, all as they were at one revision.

        Raises:
            LogitsError: ``EXPIRED`` when ``start`` is older than the history.
        """
        ...

    def changes(self, after: int, limit: int) -> tuple[Change, ...]:
        """Return the next at most ``limit`` changes of all kinds after revision ``after``, in order.

        Raises:
            LogitsError: ``EXPIRED`` when the history doesn't reach back to ``after``.
        """
        ...

    def revision(self) -> int:
        """Return the global commit counter."""
        ...

    def compact(self, keep: int) -> int:
        """Forget all but the last ``keep`` changes, and return how many were forgotten."""
        ...
