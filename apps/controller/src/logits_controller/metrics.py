"""What the Controller counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """The Controller's metrics, in the process' own registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rounds = Counter("logits_controller_rounds", "Plans made and executed.", registry=registry)
        self.steps = Counter("logits_controller_steps", "Steps executed.", ["action", "outcome"], registry=registry)
        self.interruptions = Counter(
            "logits_controller_watch_interruptions",
            "Failed attempts to list or watch.",
            ["resource"],
            registry=registry,
        )
        self.reports = Counter(
            "logits_controller_reports", "Reports sent to the vendor.", ["outcome"], registry=registry
        )
        self.in_charge = Gauge("logits_controller_in_charge", "1 while this Controller may write.", registry=registry)
