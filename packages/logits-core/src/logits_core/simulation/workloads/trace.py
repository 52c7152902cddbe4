"""Recorded traffic: the Mooncake traces, at any speed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from logits_core.errors import ErrorCode, LogitsError
from logits_core.simulation.policy import Chance
from logits_core.simulation.requests import Request, Span, spans

BLOCK_TOKENS = 512
JITTER_SECONDS = 3.0
"""The traces' clock ticks every three seconds; without jitter every tick would be a burst."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a trace: seconds, lengths in tokens, and its prompt's spans."""

    at: float
    prompt: tuple[Span, ...]
    output_tokens: int


def read_trace(lines: Iterable[str]) -> list[Line]:
    """Read a trace: one JSON object a line with `timestamp` (ms), `input_length`, `output_length`, `hash_ids`.

    Raises:
        LogitsError: INVALID, naming the line and the member.
    """
    found: list[Line] = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            ids = [int(block) for block in record["hash_ids"]]
            length, output = int(record["input_length"]), int(record["output_length"])
            at = float(record["timestamp"]) / 1000
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(number, str(error)) from None
        if not ids or length <= 0 or not 0 <= length - (len(ids) - 1) * BLOCK_TOKENS <= BLOCK_TOKENS:
            raise _unreadable(number, f"input_length {length} doesn't fit {len(ids)} hash_ids of {BLOCK_TOKENS} tokens")
        whole = [(1 + block, BLOCK_TOKENS) for block in ids[:-1]]
        rest = length - len(whole) * BLOCK_TOKENS
        found.append(Line(at, spans([*whole, (1 + ids[-1], rest)]), max(1, output)))
    return found


def _unreadable(number: int, why: str) -> LogitsError:
    return LogitsError(
        ErrorCode.INVALID,
        f"Line {number} of the trace can't be read: {why}. Each line is a JSON object with timestamp (ms), "
        "input_length, output_length and hash_ids (one for each 512 tokens).",
        field="trace",
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace replayed: arrivals as recorded, however slow the answers are.

    Attributes:
        lines: The trace.
        speed: How many times faster than recorded.
        jitter: Seconds of recorded time by which each arrival is delayed at random at most.
    """

    lines: list[Line]
    speed: float = 1.0
    jitter: float = JITTER_SECONDS

    def start(self, chance: Chance) -> list[Request]:
        """Return all requests."""
        return [
            Request((line.at + chance() * self.jitter) / self.speed, line.prompt, line.output_tokens, answer=-number,
                    first_message=line.prompt[min(1, len(line.prompt) - 1)].chain)
            for number, line in enumerate(self.lines, 1)
        ]  # fmt: skip

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        """Return nothing: all are there from the start."""
        return []


def ideal_hits(lines: Iterable[Line]) -> float:
    """Return the share of blocks that an endless cache shared by all would have had."""
    seen: set[int] = set()
    total = hits = 0
    for line in lines:
        matching = True
        for span in line.prompt:
            matching = matching and span.chain in seen
            hits += matching
        total += len(line.prompt)
        seen.update(span.chain for span in line.prompt)
    return hits / total if total else 0.0
