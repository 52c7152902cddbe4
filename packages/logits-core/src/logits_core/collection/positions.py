"""Positions: the last sequence number that is safely spooled, for every process life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_STREAMS = 4096


@dataclass
class Positions:
    """Last spooled sequence number per stream id; old streams are forgotten beyond a bound.

    A stream is one process life, so its numbers never restart; a gap in them proves a loss.
    """

    _last: dict[str, int] = field(default_factory=dict[str, int])

    def last(self, stream: str) -> int:
        """The last sequence number taken from the stream, 0 for an unknown one."""
        return self._last.get(stream, 0)

    def advance(self, stream: str, sequence: int) -> int:
        """Note a record; returns how many records before it were missed, -1 for one already taken."""
        before = self._last.get(stream, 0)
        if sequence <= before:
            return -1
        self._last.pop(stream, None)
        self._last[stream] = sequence
        while len(self._last) > MAX_STREAMS:
            del self._last[next(iter(self._last))]
        return sequence - before - 1

    def merge(self, other: Mapping[str, int]) -> None:
        """Take over positions that were stored, keeping the higher number of each stream."""
        for stream, sequence in other.items():
            if sequence > self._last.get(stream, 0):
                self.advance(stream, sequence)

    def snapshot(self) -> dict[str, int]:
        """All positions, oldest stream first."""
        return dict(self._last)
