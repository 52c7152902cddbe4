"""Metrics of the API Server; models and keys are customer data and never labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the API Server counts."""

    requests: Counter
    refusals: Counter
    retries: Counter
    reports_lost: Counter
    first_byte_seconds: Histogram
    waiting: Gauge
    in_flight: Gauge

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Register the metrics."""
        prefix = "logits_api_server_"
        return cls(
            requests=Counter(
                f"{prefix}requests",
                "Attempts at LLM Servers by outcome and the class of the answer's status.",
                ["outcome", "status"],
                registry=registry,
            ),
            refusals=Counter(f"{prefix}refusals", "Requests refused here, by reason.", ["reason"], registry=registry),
            retries=Counter(f"{prefix}retries", "Requests sent again to another LLM Server.", registry=registry),
            reports_lost=Counter(
                f"{prefix}demand_reports_lost", "Demand reports that the Entity DB did not take.", registry=registry
            ),
            first_byte_seconds=Histogram(
                f"{prefix}first_byte_seconds",
                "Time from sending a request to an LLM Server until its first byte.",
                buckets=SECONDS,
                registry=registry,
            ),
            waiting=Gauge(f"{prefix}waiting", "Requests that wait for an LLM Server.", registry=registry),
            in_flight=Gauge(f"{prefix}in_flight", "Requests at LLM Servers.", registry=registry),
        )
