"""The ledger of one process: what was used, per hour, key and model, until it's written down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from logits_core.routing import Usage

ROWS = 5_000
"""Most pairs of key and model in one hour; what is beyond is counted together."""
OTHERS = "(others)"


class RowKey(NamedTuple):
    """Whose usage a row counts."""

    hour: str
    key: str
    model: str


@dataclass(slots=True)
class Counts:
    """What was used.

    Attributes:
        requests: All that an LLM Server has had.
        failed: Of those, the ones that an engine refused or did not finish.
        aborted: Of those, the ones whose client left.
        estimated: Of those, the ones whose engine never told their tokens, so that these were estimated.
        prompt_tokens: Cached ones included.
        cached_tokens: Of the prompt's.
        completion_tokens: Of answers.
    """

    requests: int = 0
    failed: int = 0
    aborted: int = 0
    estimated: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: Counts) -> None:
        """Add another's figures."""
        self.requests += other.requests
        self.failed += other.failed
        self.aborted += other.aborted
        self.estimated += other.estimated
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens


def hour_of(now: datetime) -> str:
    """Return the hour of a time as `2026-11-23T08`, UTC."""
    if now.tzinfo is not UTC:
        now = now.astimezone(UTC)
    return _hour(now.toordinal(), now.hour)


@lru_cache(maxsize=4)
def _hour(day: int, hour: int) -> str:
    return f"{date.fromordinal(day).isoformat()}T{hour:02}"


class UsageLedger:
    """Gathers usage; whoever writes it down takes whole hours, which stay until they are over."""

    def __init__(self) -> None:
        self._hours: dict[str, dict[tuple[str, str], Counts]] = {}
        self._changed: set[str] = set()

    def count(self, row: RowKey, usage: Usage, *, failed: bool, aborted: bool, estimated: bool) -> None:
        """Count one request in."""
        hour, key, model = row
        rows = self._hours.get(hour)
        counts = rows.get((key, model)) if rows is not None else None
        if counts is None:
            counts = self._begun(hour, (key, model))
        counts.requests += 1
        counts.failed += failed
        counts.aborted += aborted
        counts.estimated += estimated
        counts.prompt_tokens += usage.prompt_tokens
        counts.cached_tokens += usage.cached_tokens or 0
        counts.completion_tokens += usage.completion_tokens
        self._changed.add(hour)

    def _begun(self, hour: str, place: tuple[str, str]) -> Counts:
        rows = self._hours.setdefault(hour, {})
        return rows.setdefault(place if len(rows) < ROWS else (OTHERS, OTHERS), Counts())

    @property
    def unwritten(self) -> list[str]:
        """The hours whose figures changed since they were last written, oldest first."""
        return sorted(self._changed)

    def rows(self, hour: str) -> dict[tuple[str, str], Counts]:
        """Return an hour's figures by key and model; they are to be written whole."""
        self._changed.discard(hour)
        return self._hours.get(hour, {})

    def failed(self, hour: str) -> None:
        """Note that an hour could not be written."""
        self._changed.add(hour)

    def forget(self, before: str) -> None:
        """Let go of written hours that are over."""
        for hour in [hour for hour in self._hours if hour < before and hour not in self._changed]:
            del self._hours[hour]
