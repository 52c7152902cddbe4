"""The prefix index: which marks each endpoint is believed to hold, as its own cache would keep them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from logits_core.routing.prompt import ENDS, Prompt

MOST_ENTRIES = 200_000
"""Marks kept for one endpoint, whatever its capacity: about 40 MB at the very most."""

CROWD = 16
"""Different continuations after which a mark is common property, as the end of a system prompt is that everybody
shares: it no longer decides where a prompt is at home."""


class Shelf:
    """A model of one endpoint's cache: least recently used goes first, tails before heads.

    Attributes:
        capacity: Bytes of prompts that fit.
    """

    __slots__ = ("_entries", "capacity", "held")

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.held = 0
        self._entries: OrderedDict[int, int] = OrderedDict()

    def __contains__(self, mark: int) -> bool:
        return mark in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def refresh(self, prompt: Prompt, start: int) -> list[int]:
        """Make a prompt's marks the most recent ones, from number `start` on.

        Returns:
            The numbers of those that are new.
        """
        marks, size = prompt.marks, prompt.size
        entries, renew = self._entries, self._entries.move_to_end
        found: list[int] = []
        # The head is the most recent, as an engine frees a finished request's last blocks first.
        for index in range(len(marks) - 1, start - 1, -1):
            mark = marks[index]
            if mark in entries:
                renew(mark)
            else:
                found.append(index)
                self.put(mark, min(ENDS[index], size) - (ENDS[index - 1] if index else 0))
        return found

    def put(self, mark: int, size: int) -> None:
        """Make a new mark of so many bytes the most recent one."""
        self._entries[mark] = size
        self.held += size

    def overflow(self) -> list[int]:
        """Drop what doesn't fit and return it."""
        dropped: list[int] = []
        entries = self._entries
        while entries and (self.held > self.capacity or len(entries) > MOST_ENTRIES):
            mark, size = entries.popitem(last=False)
            self.held -= size
            dropped.append(mark)
        return dropped

    def drop(self, mark: int) -> None:
        """Forget one mark."""
        self.held -= self._entries.pop(mark, 0)

    def clear(self) -> list[int]:
        """Forget everything and return it."""
        marks = list(self._entries)
        self._entries.clear()
        self.held = 0
        return marks


class PrefixIndex:
    """All shelves of one model, and where each mark stands."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._where: dict[int, dict[str, None]] = {}
        self._before: dict[int, int] = {}
        self._branches: dict[int, int] = {}
        self._crowded: set[int] = set()
        self._outputs = 0

    def __len__(self) -> int:
        """How many marks are known, all endpoints together."""
        return sum(len(shelf) for shelf in self._shelves.values())

    def open(self, name: str, capacity: float) -> None:
        """Begin to keep a shelf for an endpoint, or change its capacity (bytes)."""
        shelf = self._shelves.get(name)
        if shelf is None:
            self._shelves[name] = Shelf(capacity)
        else:
            shelf.capacity = capacity

    def close(self, name: str) -> None:
        """Forget an endpoint and all it held."""
        self.clear(name)
        self._shelves.pop(name, None)

    def clear(self, name: str) -> None:
        """Forget all that an endpoint held: it has restarted."""
        shelf = self._shelves.get(name)
        if shelf is not None:
            for mark in shelf.clear():
                self._leave(name, mark)

    def matches(self, marks: Sequence[int], most: int) -> dict[str, int]:
        """Return how many marks of a prompt each endpoint is believed to hold.

        Args:
            marks: The prompt's.
            most: When so many endpoints are found, the longest matches first, the rest are left out.
        """
        found: dict[str, int] = {}
        where, enough, high = self._where, min(most, len(self._shelves)), len(marks)
        # Whoever holds a tail holds its head, so holders only grow towards the head, and halving finds where.
        while high and len(found) < enough:
            low, known = 0, len(found)
            while low < high:
                middle = (low + high) >> 1
                holders = where.get(marks[middle])
                if holders and len(holders) > known:
                    low = middle + 1
                else:
                    high = middle
            if not low:
                break
            for name in where[marks[low - 1]]:
                if name not in found:
                    found[name] = low
            high = low - 1
        return found

    def fork(self, marks: Sequence[int]) -> int:
        """Return the number of a prompt's first mark that isn't common property; it stands for the prompt."""
        crowded = self._crowded
        if crowded:
            for index in range(len(marks) - 2, -1, -1):
                if marks[index] in crowded:
                    return index + 1
        return 0

    def put(self, name: str, prompt: Prompt, start: int = 0) -> None:
        """Note that an endpoint holds a prompt, most recently used; from its mark number `start` on."""
        marks = prompt.marks
        shelf = self._shelves.get(name)
        if shelf is None or start >= len(marks):
            return
        for index in shelf.refresh(prompt, start):
            holders = self._where.get(marks[index])
            if holders is None:
                self._where[marks[index]] = {name: None}
                if index:
                    self._branch(marks[index], marks[index - 1])
            else:
                holders[name] = None
        self._trim(name, shelf)

    def _branch(self, mark: int, before: int) -> None:
        branches = self._branches.get(before, 0) + 1
        self._before[mark] = before
        self._branches[before] = branches
        if branches > CROWD:
            self._crowded.add(before)

    def put_output(self, name: str, size: float) -> None:
        """Note that an endpoint holds an answer that nobody can ask for, but that takes room (bytes)."""
        shelf = self._shelves.get(name)
        if shelf is not None and size >= 1:
            self._outputs += 1
            shelf.put(-self._outputs, int(size))
            self._trim(name, shelf)

    def forget(self, name: str, marks: Sequence[int]) -> None:
        """Note that an endpoint doesn't hold these marks after all."""
        shelf = self._shelves.get(name)
        if shelf is not None:
            for mark in marks:
                if mark in shelf:
                    shelf.drop(mark)
                    self._leave(name, mark)

    def _trim(self, name: str, shelf: Shelf) -> None:
        for mark in shelf.overflow():
            self._leave(name, mark)

    def _leave(self, name: str, mark: int) -> None:
        holders = self._where.get(mark)
        if holders is not None:
            holders.pop(name, None)
            if not holders:
                del self._where[mark]
                self._branches.pop(mark, None)
                self._crowded.discard(mark)
                # A continuation that is forgotten and comes back is still the same one.
                before = self._before.pop(mark, None)
                if before in self._branches:
                    self._branches[before] -= 1
