"""A simulated entity store: everything in memory, every revision of the past kept whole."""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.entities.changes import Effect, Verb, Write, decide, not_found, stamped
from logits_core.entities.history import Change
from logits_core.entities.kinds import Kind
from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.ports import Commit, Page
from logits_core.entities.revisions import Continuation, expired
from logits_core.entities.selectors import EVERYTHING, Selector
from logits_core.errors import ErrorCode, LogitsError

World = dict[tuple[str, str], Entity]


class SimulatedEntityStore:
    """Keeps a full copy of the world for each revision, so reads at a revision are trivially right."""

    def __init__(self) -> None:
        self._worlds: list[World] = [{}]
        self._changes: list[Change] = []
        self._compacted = 0
        self._keys: dict[str, tuple[str, JsonObject, Entity]] = {}

    def commit(self, writes: Sequence[Write]) -> Commit:
        first = len(self._changes)
        answers: list[Entity | LogitsError] = []
        for write in writes:
            try:
                answers.append(self._answer(write))
            except LogitsError as refusal:
                answers.append(refusal)
        return Commit(tuple(answers), tuple(self._changes[first:]))

    def _answer(self, write: Write) -> Entity:
        key = write.idempotency_key if write.verb is Verb.CREATE else None
        if key is not None and key in self._keys:
            plural, body, entity = self._keys[key]
            if (plural, body) != (write.kind.plural, write.body):
                raise LogitsError(ErrorCode.CONFLICT, "key reused", field="Idempotency-Key")
            return entity
        place = (write.kind.plural, write.name)
        before = self._worlds[-1].get(place)
        decision = decide(before, write)
        if decision.effect is Effect.NOTHING:
            return decision.entity
        revision = len(self._worlds)
        after = stamped(decision.entity, revision)
        world = {name: entity for name, entity in self._worlds[-1].items() if name != place}
        kept = after if decision.effect is Effect.SAVE else None
        if kept is not None:
            world[place] = kept
        self._worlds.append(world)
        self._changes.append(Change(revision, *place, before, kept))
        if key is not None:
            self._keys[key] = (write.kind.plural, write.body, after)
        return after

    def get(self, kind: Kind, name: str) -> Entity:
        found = self._worlds[-1].get((kind.plural, name))
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
        revision, after = (start.revision, start.after) if start else (self.revision(), "")
        if start and not self._compacted <= revision <= self.revision():
            raise expired(revision)
        matching = [
            entity
            for (plural, name), entity in sorted(self._worlds[revision].items())
            if plural == kind.plural and name > after and selector.matches(entity.metadata.labels)
        ]
        if len(matching) <= limit:
            return Page(tuple(matching), revision)
        return Page(tuple(matching[:limit]), revision, Continuation(revision, matching[limit - 1].name))

    def changes(self, after: int, limit: int) -> tuple[Change, ...]:
        if not self._compacted <= after <= self.revision():
            raise expired(after)
        return tuple(self._changes[after : after + limit])

    def revision(self) -> int:
        return len(self._worlds) - 1

    def compact(self, keep: int) -> int:
        last = max(self._compacted, self.revision() - keep)
        forgotten = last - self._compacted
        self._compacted = last
        return forgotten
