"""Verification: does a stretch of the log hold together, and did every intent get its outcome."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from logits_core.audit.chain import Entry, Head, entry_digest


@dataclass(frozen=True, slots=True)
class Verification:
    """What a pass over the log found.

    Attributes:
        head: the last entry that still holds.
        broken_at: index of the first entry that doesn't, None when all hold.
        problem: what is wrong there, in words.
        unmatched: audit ids of intents without an outcome: acts that a crash interrupted.
    """

    head: Head
    broken_at: int | None = None
    problem: str = ""
    unmatched: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """Whether every entry fits."""
        return self.broken_at is None


def verify(entries: Iterable[Entry], *, start: Head | None = None) -> Verification:
    """Verify entries in order.

    Args:
        entries: as stored.
        start: where the stretch begins; the beginning of the log by default. A caller that knows a
            later head compares it with the result's, which is how a cut tail is found.
    """
    head = start or Head()
    open_intents: dict[str, None] = {}
    for entry in entries:
        problem = _fault(head, entry)
        if problem:
            return Verification(head, head.size + 1, problem, tuple(open_intents))
        head = Head(entry.index, entry.digest)
        _match(open_intents, json.loads(entry.event))
    return Verification(head, unmatched=tuple(open_intents))


def _fault(head: Head, entry: Entry) -> str:
    if entry.index != head.size + 1:
        return f"entry {head.size + 1} is missing; entry {entry.index} stands in its place"
    if entry.previous != head.digest:
        return f"entry {entry.index} does not follow the one before it"
    if entry.digest != entry_digest(entry.previous, entry.index, entry.event):
        return f"entry {entry.index} was changed after it was written"
    return ""


def _match(open_intents: dict[str, None], event: dict[str, Any]) -> None:
    if event.get("stage") == "RequestReceived":
        open_intents[event.get("auditID", "")] = None
    elif event.get("stage") == "ResponseComplete":
        open_intents.pop(event.get("auditID", ""), None)
