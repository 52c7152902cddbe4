"""Metrics of the API Server; models and keys are customer data and never labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Gauge

from logits_shell.counting import Counter, Histogram

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the API Server counts."""

    requests: Counter
    refusals: Counter
    retries: Counter
    losses: Counter
    reports_lost: Counter
    usage_lost: Counter
    keys_unreadable: Counter
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
            losses=Counter(
                f"{prefix}losses",
                "Requests that wait again because their LLM Server was lost before its first byte.",
                registry=registry,
            ),
            usage_lost=Counter(
                f"{prefix}usage_writes_lost",
                "Writings of usage that the Entity DB did not take; they are tried again.",
                registry=registry,
            ),
            keys_unreadable=Counter(
                f"{prefix}keys_unreadable", "API keys that this version does not understand.", registry=registry
            ),
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
