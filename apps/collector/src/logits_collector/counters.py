"""Counters: what the Collector tells of its own work, every loss included."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Counters:
    """The Collector's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.taken = Counter("logits_collector_records", "Log records taken from streams.", registry=registry)
        self.missed = Counter(
            "logits_collector_records_missed", "Log records that left a ring before they were read.", registry=registry
        )
        self.refused = Counter(
            "logits_collector_lines_refused", "Lines of a stream that are no exported records.", registry=registry
        )
        self.withheld = Counter(
            "logits_collector_samples_withheld", "Metric samples that are not on the passlist.", registry=registry
        )
        self.dropped = Counter(
            "logits_collector_records_dropped", "Records dropped because the spool was full.", registry=registry
        )
        self.batches = Counter("logits_collector_batches", "Attempts to send a batch.", ["outcome"], registry=registry)
        self.targets = Gauge("logits_collector_targets", "Ports that are followed.", registry=registry)
