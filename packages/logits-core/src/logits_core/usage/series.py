"""Usage as series over time and as totals, for charts and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from logits_core.usage.ledger import Counts, RowKey, hour_of


@dataclass(frozen=True, slots=True)
class Series:
    """What was used over time.

    Attributes:
        times: Beginning of each step, such as `2026-11-23T08` or `2026-11-23`.
        values: For each name, one figure per step.
    """

    times: list[str]
    values: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


def steps(first: datetime, last: datetime, *, daily: bool) -> list[str]:
    """Return the hours, or days, from `first` to `last`, both included."""
    found: list[str] = []
    step = timedelta(days=1) if daily else timedelta(hours=1)
    at = first
    while at <= last:
        found.append(hour_of(at)[: 10 if daily else 13])
        at += step
    end = hour_of(last)[: 10 if daily else 13]
    return found if found and found[-1] == end else [*found, end]


def series_of(
    usage: Mapping[RowKey, Counts],
    times: list[str],
    *,
    name: Callable[[RowKey], str],
    figure: Callable[[Counts], int],
) -> Series:
    """Add up a figure per step and name; what lies outside the steps is left out.

    Args:
        usage: By hour, key and model.
        times: Of the steps.
        name: Which line a row belongs to.
        figure: What is added up.
    """
    index = {time: position for position, time in enumerate(times)}
    values: dict[str, list[int]] = {}
    for place, counts in usage.items():
        position = index.get(place.hour[: len(times[0])]) if times else None
        if position is not None:
            values.setdefault(name(place), [0] * len(times))[position] += figure(counts)
    return Series(times, dict(sorted(values.items(), key=lambda item: -sum(item[1]))))


def totals_by(usage: Mapping[RowKey, Counts], name: Callable[[RowKey], str]) -> dict[str, Counts]:
    """Return the sums per name, the largest first."""
    totals: dict[str, Counts] = {}
    for place, counts in usage.items():
        totals.setdefault(name(place), Counts()).add(counts)
    return dict(sorted(totals.items(), key=lambda item: -(item[1].prompt_tokens + item[1].completion_tokens)))
