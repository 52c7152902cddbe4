"""A group commit under way: writes that share one transaction and one sync."""

import hashlib
from typing import Final, cast

import msgspec

from logits_core.entities.changes import Effect, Verb, Write, decide, stamped
from logits_core.entities.history import Change
from logits_core.entities.model import Entity
from logits_core.entities.sqlite.connection import Connection
from logits_core.entities.sqlite.rows import decoded, encoded, find, set_counter
from logits_core.errors import ErrorCode, LogitsError

IDEMPOTENCY_KEYS_KEPT: Final = 10_000
"""Idempotency keys remembered; the oldest are forgotten first."""

_FORGET_KEYS: Final = """
    DELETE FROM idempotency WHERE revision <=
        (SELECT revision FROM idempotency ORDER BY revision DESC LIMIT 1 OFFSET ?)
"""


class Group:
    """One open transaction: writes see those before them, revisions count on.

    Args:
        writer: the writing connection, within a transaction.
        revision: the global commit counter before the group.
    """

    def __init__(self, writer: Connection, revision: int) -> None:
        self._writer = writer
        self._started_at = revision
        self.revision = revision
        self.changes: list[Change] = []

    def answer(self, write: Write) -> Entity | LogitsError:
        """Carry out one write, or return its refusal; a failing store raises instead."""
        current = find(self._writer, write.kind.plural, write.name)
        remembered = self._remembered(write)
        try:
            if remembered is not None:
                return _repeated(write, *remembered)
            decision = decide(current, write)
        except LogitsError as refusal:
            return refusal
        if decision.effect is Effect.NOTHING:
            return decision.entity
        return self._carry_out(write, current, decision.entity, keep=decision.effect is Effect.SAVE)

    def finish(self) -> None:
        """Store the counter that the changes came to."""
        if self.revision != self._started_at:
            set_counter(self._writer, "revision", self.revision)

    def _carry_out(self, write: Write, before: Entity | None, entity: Entity, *, keep: bool) -> Entity:
        self.revision += 1
        after = stamped(entity, self.revision)
        text = encoded(after)
        key = (write.kind.plural, write.name)
        if keep:
            row = (*key, self.revision, text)
            self._writer.rows("INSERT OR REPLACE INTO entity VALUES (?, ?, ?, ?)", row)
        else:
            self._writer.rows("DELETE FROM entity WHERE plural = ? AND name = ?", key)
        images = (encoded(before) if before else None, text if keep else None)
        self._writer.rows("INSERT INTO change VALUES (?, ?, ?, ?, ?)", (self.revision, *key, *images))
        self.changes.append(Change(self.revision, *key, before, after if keep else None))
        if write.verb is Verb.CREATE and write.idempotency_key is not None:
            self._remember(write, text)
        return after

    def _remembered(self, write: Write) -> tuple[str, str] | None:
        if write.verb is not Verb.CREATE or write.idempotency_key is None:
            return None
        sql = "SELECT fingerprint, object FROM idempotency WHERE key = ?"
        rows = cast("list[tuple[str, str]]", self._writer.rows(sql, (write.idempotency_key,)))
        return rows[0] if rows else None

    def _remember(self, write: Write, text: str) -> None:
        row = (write.idempotency_key, self.revision, _fingerprint(write), text)
        self._writer.rows("INSERT INTO idempotency VALUES (?, ?, ?, ?)", row)
        self._writer.rows(_FORGET_KEYS, (IDEMPOTENCY_KEYS_KEPT,))


def _repeated(write: Write, fingerprint: str, text: str) -> Entity:
    if fingerprint != _fingerprint(write):
        raise LogitsError(
            ErrorCode.CONFLICT,
            "This Idempotency-Key was used for another request. Use a new key for each new entity.",
            field="Idempotency-Key",
        )
    return decoded(text)


def _fingerprint(write: Write) -> str:
    body = msgspec.json.encode([write.kind.plural, write.body], order="deterministic")
    return hashlib.sha256(body).hexdigest()
