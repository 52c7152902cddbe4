"""Counters: what the Collector tells of its own work, every loss included."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Counters:
    """The Collector's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"logits_collector_{name}", text, registry=registry)

        self.taken = counter("records", "Log records taken from streams.")
        self.missed = counter("records_missed", "Log records that left a ring before they were read.")
        self.refused = counter("lines_refused", "Lines of a stream that are no exported records.")
        self.withheld = counter("samples_withheld", "Metric samples that are not on the passlist.")
        self.dropped = counter("records_dropped", "Records dropped because the spool was full.")
        self.batches = Counter(
            "logits_collector_batches", "Attempts to send a batch.", ["outcome"], registry=registry
        )
        self.targets = Gauge("logits_collector_targets", "Ports that are followed.", registry=registry)
