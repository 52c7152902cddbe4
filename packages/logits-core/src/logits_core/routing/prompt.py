"""Prompts as routing sees them: hashes of ever longer prefixes, made in one pass over the bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest as hashed

SHORTEST_STEP: Final = 256
STEP_SHARE: Final = 8
LONGEST: Final = 1 << 24


def _ends() -> tuple[int, ...]:
    ends: list[int] = []
    end = 0
    while end < LONGEST:
        # Steps grow with the position, so that a long prompt needs few marks; an engine finds its own
        # exact match anyway, routing only has to know roughly how long it is.
        end += max(SHORTEST_STEP, end // STEP_SHARE // SHORTEST_STEP * SHORTEST_STEP)
        ends.append(end)
    return tuple(ends)


ENDS: Final = _ends()
"""Bytes at which prefixes are marked: every 256 up to 4 KiB, then every eighth of the position."""


class Prompt(msgspec.Struct, frozen=True):
    """What routing knows of a prompt.

    Equal marks mean equal content up to there, for the same model and adapter. No text can be read out of
    them, and every process makes the same ones.

    Attributes:
        marks: 64-bit hash of the first `ENDS[i]` bytes, for every end that the prompt reaches; the last one is of
            the whole prompt.
        size: Bytes of the whole prompt.
    """

    marks: tuple[int, ...]
    size: int

    def end(self, count: int) -> int:
        """Return how many bytes the first `count` marks stand for."""
        end = ENDS[count - 1] if count else 0
        return end if end < self.size else self.size

    @classmethod
    def of(cls, model: str, *parts: bytes | memoryview, adapter: str = "", salt: str = "") -> Prompt:
        """Mark a prompt.

        Args:
            model: The model, as callers name it.
            parts: The prompt's bytes in the order in which the engine renders them: tools, then messages.
                Undecoded JSON serves as well as rendered text, as long as it is always the same for the same
                content.
            adapter: The LoRA adapter, which has a cache of its own.
            salt: The cache salt, if callers are kept apart.
        """
        content = memoryview(parts[0] if len(parts) == 1 else b"\x00".join(parts))
        size, start, mark = len(content), 0, _seed(model, adapter, salt)
        marks: list[int] = []
        for end in ENDS:
            if start >= size:
                break
            # Each hash is the next one's seed, and so depends on all bytes before it.
            mark = hashed(content[start:end], mark)
            marks.append(mark)
            start = end
        return cls(tuple(marks), size)


@lru_cache(maxsize=1024)
def _seed(model: str, adapter: str, salt: str) -> int:
    return hashed(f"{model}\x00{adapter}\x00{salt}".encode())
