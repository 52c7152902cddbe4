"""Usage: what was used in a period, read from the Entity DB's records, for pages, CSV and Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from logits_core.errors import ErrorCode, LogitsError
from logits_core.usage import Counts, RowKey, Series, merged, series_of, totals_by
from logits_core.usage.record import DAY_LABEL, MONTH_LABEL, PLURAL
from logits_core.usage.series import steps
from logits_shell.entities import EntityClient

Period = Literal["day", "week", "month"]
By = Literal["model", "key"]
Figure = Literal["tokens", "requests"]

PERIODS: Final[dict[str, tuple[str, timedelta, bool]]] = {
    "day": ("Last 24 hours", timedelta(hours=23), False),
    "week": ("Last 7 days", timedelta(days=6), True),
    "month": ("Last 30 days", timedelta(days=29), True),
}
"""For each period its name, how far it reaches back, and whether its steps are days."""

COUNTERS: Final = (
    ("requests", "Requests that an LLM Server has had."),
    ("failed", "Requests refused or not finished by an engine."),
    ("aborted", "Requests left by their client."),
    ("prompt_tokens", "Tokens of prompts, cached ones included."),
    ("cached_tokens", "Tokens of prompts whose work was done before."),
    ("completion_tokens", "Tokens of answers."),
)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a period.

    Attributes:
        period: Which.
        times: Its steps, as the hours' or days' names.
        rows: By hour, key and model.
    """

    period: str
    times: list[str]
    rows: dict[RowKey, Counts]

    def series(self, by: str, figure: str) -> Series:
        """Return the figures over time, by model or key."""
        return series_of(self.rows, self.times, name=_namer(by), figure=_figure(figure))

    def totals(self, by: str) -> dict[str, Counts]:
        """Return the sums by model or key."""
        return totals_by(self.rows, _namer(by))


class UsageRecords:
    """Reads the records.

    Args:
        client: Speaks with the Entity DB.
        now: The wall clock.
    """

    def __init__(self, client: EntityClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now

    async def used(self, period: str) -> Used:
        """Return what was used in a period that ends now.

        Raises:
            LogitsError: INVALID for a period that there isn't.
        """
        if period not in PERIODS:
            known = ", ".join(PERIODS)
            raise LogitsError(ErrorCode.INVALID, f"period must be one of {known}", field="period")
        _, back, daily = PERIODS[period]
        now = self._now()
        times = steps(now - back, now, daily=daily)
        days = sorted({time[:10] for time in times})
        records, _ = await self._client.list(PLURAL, selector=f"{DAY_LABEL} in ({','.join(days)})")
        inside = set(times)
        width = len(times[0])
        rows = {row: counts for row, counts in merged(records).items() if row.hour[:width] in inside}
        return Used(period, times, rows)

    async def prometheus(self) -> bytes:
        """Return counters per key and model, since the beginning of this month, as Prometheus reads them."""
        month = f"{self._now():%Y-%m}"
        records, _ = await self._client.list(PLURAL, selector=f"{MONTH_LABEL}={month}")
        registry = CollectorRegistry()
        registry.register(_Counters(totals_by_pair(merged(records))))
        return generate_latest(registry)


def totals_by_pair(rows: dict[RowKey, Counts]) -> dict[tuple[str, str], Counts]:
    """Return the sums by key and model."""
    totals: dict[tuple[str, str], Counts] = {}
    for row, counts in rows.items():
        totals.setdefault((row.key, row.model), Counts()).add(counts)
    return totals


class _Counters(Collector):
    def __init__(self, totals: dict[tuple[str, str], Counts]) -> None:
        self._totals = totals

    def collect(self) -> list[CounterMetricFamily]:
        families: list[CounterMetricFamily] = []
        for name, meaning in COUNTERS:
            family = CounterMetricFamily(
                f"logits_usage_{name}", f"{meaning} Since this month began.", labels=("key", "model")
            )
            for (key, model), counts in sorted(self._totals.items()):
                family.add_metric((key, model), getattr(counts, name))  # pyright: ignore[reportUnknownMemberType] - untyped
            families.append(family)
        return families


def _namer(by: str) -> Callable[[RowKey], str]:
    return (lambda row: row.key) if by == "key" else (lambda row: row.model)


def _figure(figure: str) -> Callable[[Counts], int]:
    if figure == "requests":
        return lambda counts: counts.requests
    return lambda counts: counts.prompt_tokens + counts.completion_tokens
