"""The prefix index: where each mark of a prompt stands, over the shelves of one model's endpoints."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from logits_core.routing.prompt import ENDS, Prompt
from logits_core.routing.shelf import Shelf

MOST_ENTRIES = 200_000
"""Marks kept for one endpoint, whatever its capacity: about 60 MB at the very most."""

REMEMBERED = 1024
"""Sets of holders whose names are remembered: most prompts have one or two holders, or all."""

CROWD = 16
"""Different continuations after which a mark is common property, as the end of a system prompt is that everybody
shares: it no longer decides where a prompt is at home."""


class Mark(msgspec.Struct, gc=False):
    """What is known of one mark.

    Attributes:
        holders: The bits of the shelves where it stands.
        size: Bytes from the mark before it to this one.
        before: The mark before it.
        branches: How many different marks that are known follow it.
        crowded: Whether it has become common property.
    """

    holders: int
    size: int
    before: Mark | None
    branches: int = 0
    crowded: bool = False


class PrefixIndex:
    """All shelves of one model, and where each mark stands."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._names: list[str] = []
        self._marks: dict[int, Mark] = {}
        self._sets: dict[int, tuple[str, ...]] = {}
        self._crowds = 0

    def __len__(self) -> int:
        """How many marks are known, all endpoints together."""
        return sum(len(shelf.uses) for shelf in self._shelves.values())

    def open(self, name: str, capacity: float) -> Shelf:
        """Begin to keep a shelf for an endpoint, or change its capacity (bytes)."""
        shelf = self._shelves.get(name)
        if shelf is None:
            # The bit of one that has left is free again.
            bit = self._names.index("") if "" in self._names else len(self._names)
            self._names[bit : bit + 1] = [name]
            self._sets.clear()
            shelf = self._shelves[name] = Shelf(1 << bit, capacity)
        shelf.capacity = capacity
        return shelf

    def close(self, name: str) -> None:
        """Forget an endpoint and all it held."""
        self.clear(name)
        if self._shelves.pop(name, None) is not None:
            self._names[self._names.index(name)] = ""

    def clear(self, name: str) -> None:
        """Forget all that an endpoint held: it has restarted."""
        shelf = self._shelves.get(name)
        if shelf is not None:
            for mark in shelf.clear():
                self._leave(shelf, mark)

    def matches(self, marks: Sequence[int], most: int) -> dict[int, tuple[str, ...]]:
        """Return which endpoints are believed to hold how many marks of a prompt, the longest matches first.

        Args:
            marks: The prompt's.
            most: When so many endpoints are found, the rest are left out.
        """
        found: dict[int, tuple[str, ...]] = {}
        known, seen, high = self._marks, 0, len(marks)
        most = min(most, len(self._shelves))
        # Whoever holds a tail holds its head, so holders only grow towards the head, and halving finds where.
        while high and most > 0:
            low = holders = 0
            while low < high:
                middle = (low + high) >> 1
                mark = known.get(marks[middle])
                if mark is not None and mark.holders & ~seen:
                    low, holders = middle + 1, mark.holders
                else:
                    high = middle
            if not low:
                break
            found[low] = names = self._named(holders & ~seen)
            most -= len(names)
            seen |= holders
            high = low - 1
        return found

    def _named(self, holders: int) -> tuple[str, ...]:
        found = self._sets.get(holders)
        if found is None:
            if len(self._sets) >= REMEMBERED:
                self._sets.clear()
            names = [name for bit, name in enumerate(self._names) if holders >> bit & 1]
            found = self._sets[holders] = tuple(names)
        return found

    def fork(self, marks: Sequence[int], known: int = len(ENDS)) -> int:
        """Return the number of a prompt's first mark that isn't common property; it stands for the prompt.

        Args:
            marks: The prompt's.
            known: How many of them stand anywhere.
        """
        if self._crowds:
            for index in range(min(known, len(marks) - 1), 0, -1):
                mark = self._marks.get(marks[index - 1])
                if mark is not None and mark.crowded:
                    return index
        return 0

    def put(self, name: str, prompt: Prompt, start: int = 0, output: float = 0.0) -> None:
        """Note that an endpoint holds a prompt, most recently used.

        Args:
            name: The endpoint.
            prompt: The prompt.
            start: The number of the first mark that was used.
            output: Bytes of its answer.
        """
        shelf = self._shelves.get(name)
        if shelf is None or (start >= len(prompt.marks) and not output):
            return
        marks, uses, size = prompt.marks, shelf.uses, 0
        new = [index for index in range(start, len(marks)) if marks[index] not in uses]
        for index in new:
            mark = self._marks.get(marks[index])
            if mark is None:
                mark = self._new(prompt, index)
            mark.holders |= shelf.bit
            size += mark.size
        added = tuple([marks[index] for index in new]) if new else ()
        shelf.use(marks[start:] if start else marks, added, new[-1] if new else 0, size, int(output))
        if shelf.held > shelf.capacity or len(uses) > MOST_ENTRIES:
            for each in shelf.overdue(MOST_ENTRIES):
                shelf.held -= self._leave(shelf, each)

    def forget(self, name: str, marks: Sequence[int]) -> None:
        """Note that an endpoint doesn't hold these marks after all."""
        shelf = self._shelves.get(name)
        if shelf is not None:
            for mark in marks:
                if shelf.uses.pop(mark, 0):
                    shelf.held -= self._leave(shelf, mark)

    def _new(self, prompt: Prompt, index: int) -> Mark:
        marks, before = prompt.marks, None
        if index:
            before = self._marks.get(marks[index - 1])
            if before is not None:
                before.branches += 1
                if before.branches > CROWD and not before.crowded:
                    before.crowded = True
                    self._crowds += 1
        size = min(ENDS[index], prompt.size) - (ENDS[index - 1] if index else 0)
        mark = self._marks[marks[index]] = Mark(0, size, before)
        return mark

    def _leave(self, shelf: Shelf, name: int) -> int:
        """Note that a mark isn't on a shelf any more; returns its bytes."""
        mark = self._marks[name]
        mark.holders ^= shelf.bit
        if not mark.holders:
            del self._marks[name]
            self._crowds -= mark.crowded
            # A continuation that is forgotten and comes back is still the same one.
            if mark.before is not None:
                mark.before.branches -= 1
        return mark.size
