"""Adds up what API Servers and LLM Servers report about the load of each model deployment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from logits_core.reconcile.autoscale import Load
from logits_core.reconcile.fields import child, number, value
from logits_core.reconcile.instants import instant
from logits_core.reconcile.state import Observed
from logits_core.reconcile.steps import earliest

STALE_AFTER: Final = timedelta(seconds=30)
"""How long a report of requests counts: reporters repeat it every 10 s while it holds."""


@dataclass(slots=True)
class _Sum:
    in_flight: int = 0
    waiting: int = 0
    in_engines: int = 0
    last_request_at: datetime | None = None

    def load(self) -> Load:
        # Both sides count the same requests; the larger figure has seen more of them.
        return Load(max(self.in_flight, self.in_engines), self.waiting, self.last_request_at)


def loads(observed: Observed, now: datetime) -> tuple[dict[str, Load], datetime | None]:
    """The load of every model deployment anybody reports, and when the first report goes stale."""
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    wake: list[datetime] = [*_requests(observed, now, sums), *_engines(observed, now, sums)]
    return {name: found.load() for name, found in sums.items()}, earliest(*wake)


def _requests(observed: Observed, now: datetime, sums: defaultdict[str, _Sum]) -> Iterator[datetime]:
    for demand in (observed.demands or {}).values():
        stale_at = (instant(value(demand, "spec", "observedAt")) or now) + STALE_AFTER
        for name in child(demand, "spec", "models"):
            row = child(demand, "spec", "models", name)
            total = sums[name]
            last = instant(value(row, "lastRequestAt"))
            total.last_request_at = max(filter(None, (total.last_request_at, last)), default=None)
            in_flight, waiting = number(row, "inFlight"), number(row, "waiting")
            if in_flight + waiting and now < stale_at:
                total.in_flight += in_flight
                total.waiting += waiting
                yield stale_at


def _engines(observed: Observed, now: datetime, sums: defaultdict[str, _Sum]) -> Iterator[datetime]:
    for report in (observed.llm_servers or {}).values():
        busy = number(report, "status", "running") + number(report, "status", "waiting")
        stale_at = (instant(value(report, "status", "observedAt")) or now) + STALE_AFTER
        if busy and now < stale_at:
            sums[report["spec"]["deployment"]].in_engines += busy
            yield stale_at
