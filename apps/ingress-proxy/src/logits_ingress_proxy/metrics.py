"""Metrics of the Ingress Proxy: requests by the system that they went to and how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the Ingress Proxy counts."""

    requests: Counter
    refusals: Counter

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Register the metrics."""
        return cls(
            requests=Counter(
                "logits_ingress_proxy_requests",
                "Requests by system, outcome and the class of the answer's status.",
                ["system", "outcome", "status"],
                registry=registry,
            ),
            refusals=Counter(
                "logits_ingress_proxy_refusals", "Requests refused here, by reason.", ["reason"], registry=registry
            ),
        )
