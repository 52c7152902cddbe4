"""A shelf: which marks one endpoint is believed to hold, as its own cache would keep them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

LUMPS: Final = 1024
"""Parts of the capacity in which answers are accounted: they take room, but nobody asks for them."""

SLACK_ENTRIES: Final = 256


Entry = tuple[int, int, tuple[int, ...], int]
"""What stands in the order: a clock, how far back its last mark is, below 0; marks, and bytes of answers."""


class Shelf:
    """A model of one endpoint's cache: least recently used goes first, tails before heads.

    Using a prompt again only moves the clock of its marks. Where they stand in the order is looked after when
    their turn to be dropped comes, so each stands there once and the order never outgrows what is held.

    Args:
        bit: Its bit in the index's sets of holders.
        capacity: Bytes of prompts and answers that fit.

    Attributes:
        clock: Bytes that have ever been put here, and one for each use.
        held: Bytes that are here now.
        uses: The clock of the last use of every mark that is here.
        order: A heap of what is here, by clocks that may be late.
    """

    __slots__ = ("_lump", "bit", "capacity", "clock", "held", "order", "uses")

    def __init__(self, bit: int, capacity: float) -> None:
        self.bit = bit
        self.capacity = capacity
        self.clock = 0
        self.held = 0
        self.uses: dict[int, int] = {}
        self.order: list[Entry] = []
        self._lump = 0

    def use(self, marks: tuple[int, ...], new: tuple[int, ...], depth: int, size: int, output: int) -> None:
        """Make marks the most recently used ones.

        Args:
            marks: From head to tail.
            new: Those that were not here.
            depth: The number of the last of them in the whole prompt.
            size: Their bytes.
            output: Bytes of an answer after them.
        """
        self.clock = clock = self.clock + size + output + 1
        self.held += size + output
        self.uses.update(dict.fromkeys(marks, clock))
        self._lump = lump = self._lump + output
        if lump * LUMPS > self.capacity:
            heappush(self.order, (clock, -depth, new, lump))
            self._lump = 0
        elif new:
            heappush(self.order, (clock, -depth, new, 0))
        if len(self.order) > 2 * len(self.uses) + LUMPS + SLACK_ENTRIES:
            self._rebuild()

    def overdue(self, most: int) -> Iterator[int]:
        """Give up what doesn't fit, mark by mark: the caller subtracts each from `held`.

        Args:
            most: Marks that may be here.
        """
        uses, order = self.uses, self.order
        while order and (self.held > self.capacity or len(uses) > most):
            clock, back, marks, output = heappop(order)
            self.held -= output
            later: dict[int, tuple[int, list[int]]] = {}
            for mark in reversed(marks):
                used = uses.get(mark, 0)
                if used == clock and (self.held > self.capacity or len(uses) > most):
                    del uses[mark]
                    yield mark
                elif used >= clock:
                    later.setdefault(used, (back, []))[1].append(mark)
                back += 1
            for used, (last, kept) in later.items():
                heappush(order, (used, last, tuple(reversed(kept)), 0))

    def recent(self, marks: Sequence[int], count: int, share: float) -> int:
        """Return how many of a prompt's first `count` marks, all here, are new enough to have outlived the rest.

        Args:
            marks: The prompt's.
            count: How many of them are here.
            share: Share of what the endpoint's cache takes in that is known here.
        """
        uses, oldest = self.uses, self.clock - self.capacity * share
        # Heads are never older than tails for long.
        while count and uses.get(marks[count - 1], 0) < oldest:
            count >>= 1
        return count

    def clear(self) -> list[int]:
        """Forget everything and return it."""
        marks = list(self.uses)
        self.uses, self.order = {}, []
        self._lump = self.held = 0
        return marks

    def _rebuild(self) -> None:
        """Drop from the order what has been forgotten, and what stands there twice because it came back."""
        places = {mark: back - len(marks) + n for _, back, marks, _ in self.order for n, mark in enumerate(marks, 1)}
        outputs = [(clock, back, (), output) for clock, back, _, output in self.order if output]
        self.order = [*outputs, *((used, places[mark], (mark,), 0) for mark, used in self.uses.items())]
        heapify(self.order)
