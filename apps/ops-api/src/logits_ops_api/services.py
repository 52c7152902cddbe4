"""Services: what the routes of the Ops API work with, put together once in the app's wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from logits_ops_api.adapters.environments import Environments
from logits_ops_api.adapters.operator_sessions import OperatorSessions
from logits_ops_api.adapters.releases import Releases
from logits_ops_api.adapters.telemetry import Receipt, Telemetry
from logits_ops_api.batches import Limits
from logits_ops_api.changes import Changes
from logits_ops_api.settings import Settings


class Metrics:
    """The app's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.batches = Counter("logits_ops_batches", "Batches taken.", ["kind", "outcome"], registry=registry)
        self.records = Counter("logits_ops_records", "Records stored.", ["kind"], registry=registry)
        self.waiters = Gauge("logits_ops_waiters", "Long polls and event streams.", registry=registry)
        self.refused = Counter("logits_ops_waiters_refused", "Waiters refused for want of room.", registry=registry)
        self.expired = Counter("logits_ops_rows_expired", "Rows of telemetry deleted by retention.", registry=registry)


@dataclass(frozen=True)
class Services:
    """Stores, waiters, bounds and the two sources of chance and time."""

    settings: Settings
    environments: Environments
    releases: Releases
    telemetry: Telemetry
    sessions: OperatorSessions
    changes: Changes
    limits: Limits
    metrics: Metrics
    clock: Callable[[], float]
    new_token: Callable[[], str]

    def count_batch(self, kind: str, receipt: Receipt) -> None:
        """Count what became of a batch."""
        self.metrics.batches.labels(kind, "duplicate" if receipt.duplicate else "stored").inc()
        self.metrics.records.labels(kind).inc(receipt.accepted)
