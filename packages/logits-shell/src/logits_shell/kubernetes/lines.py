"""Splits a byte stream into lines of bounded length, without any I/O."""

from __future__ import annotations


class LineTooLongError(ValueError):
    """A line grew beyond the bound before it ended."""


class LineSplitter:
    """Collects chunks and hands out whole lines.

    Args:
        limit: the longest line that is accepted, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk; return the non-empty lines that it completed, without their line ends.

        Raises:
            LineTooLongError: a line, complete or not, is longer than the limit.
        """
        if b"\n" not in chunk:
            self._rest += chunk
            self._check(len(self._rest))
            return []
        first, *others = chunk.split(b"\n")
        lines = [bytes(self._rest) + first, *others[:-1]]
        self._rest = bytearray(others[-1])
        for line in (*lines, self._rest):
            self._check(len(line))
        return [line for line in lines if line.strip()]

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise LineTooLongError(f"a line is longer than {self._limit} bytes")
