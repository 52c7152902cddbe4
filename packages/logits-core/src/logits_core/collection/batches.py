"""Batches: lines gathered until they are many, large or old enough, with a key that names their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["logs", "metrics"]


@dataclass(frozen=True)
class Limits:
    """When a batch is sealed: at the first of these.

    Attributes:
        size: bytes of the uncompressed lines.
        records: number of lines.
        age: seconds since the first line.
    """

    size: int = 1 << 20
    records: int = 8192
    age: float = 5.0


@dataclass(frozen=True)
class Batch:
    """Sealed lines of one kind.

    Attributes:
        kind: logs or metrics.
        body: newline-terminated JSON lines, uncompressed.
        records: how many lines.
        positions: stream positions reached once this batch is spooled (empty for metrics).
    """

    kind: Kind
    body: bytes
    records: int
    positions: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def key(self) -> str:
        """The idempotency key: SHA-256 of the uncompressed body, in hex."""
        return hashlib.sha256(self.body).hexdigest()


class Batcher:
    """Gathers lines of one kind; pure, so time is an argument."""

    def __init__(self, kind: Kind, limits: Limits | None = None) -> None:
        self._kind: Kind = kind
        self._limits = limits or Limits()
        self._lines: list[bytes] = []
        self._size = 0
        self._since = 0.0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to seal."""
        return not self._lines

    def add(self, line: bytes, now: float) -> None:
        """Take one line, without its newline."""
        if not self._lines:
            self._since = now
        self._lines.append(line)
        self._size += len(line) + 1

    def due_in(self, now: float) -> float | None:
        """Seconds until the batch should be sealed: 0 at once, None while it is empty."""
        if not self._lines:
            return None
        if self._size >= self._limits.size or len(self._lines) >= self._limits.records:
            return 0.0
        return max(0.0, self._since + self._limits.age - now)

    def seal(self, positions: Mapping[str, int]) -> Batch:
        """The batch of all lines gathered so far; gathering starts anew."""
        batch = Batch(self._kind, b"".join(line + b"\n" for line in self._lines), len(self._lines), positions)
        self._lines, self._size = [], 0
        return batch
