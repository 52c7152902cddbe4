"""Metrics of the Entity DB: commits, refusals, watchers and the size of the history."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the Entity DB counts."""

    writes: Counter
    group_size: Histogram
    commit_seconds: Histogram
    waiting: Gauge
    revision: Gauge
    watchers: Gauge
    watches_ended: Counter
    changes_forgotten: Counter
    backups: Counter

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Register the metrics."""
        prefix = "logits_entity_db_"
        return cls(
            writes=Counter(f"{prefix}writes", "Writes by kind and outcome.", ["kind", "outcome"], registry=registry),
            group_size=Histogram(
                f"{prefix}commit_group_size",
                "Writes that shared one commit.",
                buckets=(1, 2, 4, 8, 16, 32, 64),
                registry=registry,
            ),
            commit_seconds=Histogram(
                f"{prefix}commit_seconds",
                "Time from the start of a transaction until it was durable.",
                buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0),
                registry=registry,
            ),
            waiting=Gauge(f"{prefix}waiting_writes", "Writes waiting for their commit.", registry=registry),
            revision=Gauge(f"{prefix}revision", "The global commit counter.", registry=registry),
            watchers=Gauge(f"{prefix}watchers", "Watches open now.", registry=registry),
            watches_ended=Counter(
                f"{prefix}watches_ended", "Watches that ended, by reason.", ["reason"], registry=registry
            ),
            changes_forgotten=Counter(
                f"{prefix}changes_forgotten", "Changes dropped from the history.", registry=registry
            ),
            backups=Counter(f"{prefix}backups", "Backups by outcome.", ["outcome"], registry=registry),
        )
