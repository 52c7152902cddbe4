"""Familiar heads: what was made of a head is found again by its bytes, so that each is parsed and checked once."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from logits_shell.relay.policy import Headers

LARGEST: Final = 4096
"""Bytes of the largest head that is remembered."""
MOST: Final = 256
"""Heads that are remembered; one more, and all are forgotten."""

MadeT = TypeVar("MadeT")

Outline = tuple[bytes, int, int]
"""A head without the digits of its Content-Length, where its body begins, and the length, 0 without one."""

_SPELLINGS: Final = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_DIGITS: Final = 15


def outline(data: bytes) -> Outline | None:
    """Find the whole head that some bytes begin with; None when there is none, or one that isn't remembered."""
    end = data.find(b"\r\n\r\n", 0, LARGEST) + 4
    if end < 4:
        return None
    for spelling in _SPELLINGS:
        start = data.find(spelling, 0, end)
        if start > 0:
            start += len(spelling)
            stop = data.find(b"\r", start)
            digits = data[start:stop]
            if not digits.isdigit() or len(digits) > _DIGITS:
                return None
            return data[:start] + data[stop:end], end, int(digits)
    return data[:end], end, 0


def _outline_like(data: bytes, before: bytes, after: bytes, key: bytes) -> Outline | None:
    """Find what `outline` would, if the head is like another one, which costs no more than to compare them."""
    if not data.startswith(before):
        return None
    start = len(before)
    if not after:
        return key, start, 0
    stop = data.find(b"\r", start, start + _DIGITS + 1)
    digits = data[start:stop]
    if stop < 0 or not digits.isdigit() or not data.startswith(after, stop):
        return None
    return key, stop + len(after), int(digits)


def _length_at(key: bytes) -> int:
    """Return where the digits were that a head is without."""
    return next(key.index(each) + len(each) - 1 for each in [s + b"\r" for s in _SPELLINGS] if each in key)


class _Kept(Generic[MadeT]):
    """What was made of a head, and the head on both sides of its length's digits."""

    __slots__ = ("after", "before", "key", "made")

    def __init__(self, key: bytes, length_at: int, made: MadeT) -> None:
        self.key = key
        self.before = key[:length_at]
        self.after = key[length_at:]
        self.made = made


class Familiar(Generic[MadeT]):
    """Remembers what was made of heads, whatever length they announce."""

    __slots__ = ("_last", "_made")

    def __init__(self) -> None:
        self._made: dict[bytes, _Kept[MadeT]] = {}
        self._last: _Kept[MadeT] | None = None

    def recognise(self, data: bytes) -> tuple[Outline | None, MadeT | None]:
        """Look at bytes that begin with a head.

        Returns:
            Its outline, None without a whole head that may be remembered; and what was made of it, None when it's
            unknown or more than its body follows, which only the parser can tell apart.
        """
        kept = self._last
        found = None if kept is None else _outline_like(data, kept.before, kept.after, kept.key)
        if found is None:
            found = outline(data)
            if found is None:
                return None, None
            kept = self._made.get(found[0])
            if kept is None:
                return found, None
            self._last = kept
        return found, kept.made if kept is not None and len(data) - found[1] <= found[2] else None

    def learn(self, found: Outline, start: bytes, headers: Headers, made: MadeT) -> None:
        """Remember what was made of a head that a parser has read.

        Args:
            found: Its outline.
            start: What its first line begins with.
            headers: Its fields, as they were parsed: a head that the outline cut elsewhere has others.
            made: What was made of it.
        """
        key, end, _ = found
        lines = len(headers) + 2
        lengths = sum(name == b"content-length" for name, _ in headers)
        if not key.startswith(start) or lengths != (len(key) < end):
            return
        if not key.count(b"\r\n") == key.count(b"\n") == key.count(b"\r") == lines:
            return
        if len(self._made) >= MOST:
            self._made.clear()
            self._last = None
        self._made[key] = _Kept(key, _length_at(key) if lengths else len(key), made)
