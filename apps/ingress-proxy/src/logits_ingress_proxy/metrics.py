"""Metrics of the Ingress Proxy: requests by the system that they went to and how they ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from prometheus_client import CollectorRegistry

from logits_shell.counting import Count, Counter


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the Ingress Proxy counts."""

    requests: Counter
    refusals: Counter
    _ended: dict[tuple[str, str, int | None], Count] = field(default_factory=dict[tuple[str, str, "int | None"], Count])

    def ended(self, system: str, outcome: str, status: int | None) -> None:
        """Count a request; looking a child up by its labels would cost more than all else here."""
        count = self._ended.get((system, outcome, status))
        if count is None:
            family = "none" if status is None else f"{status // 100}xx"
            count = self._ended[system, outcome, status] = self.requests.labels(system, outcome, family)
        count.inc()

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
