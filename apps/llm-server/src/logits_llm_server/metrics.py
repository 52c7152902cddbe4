"""Metrics of the LLM Server: requests, the engine's load, and how often it had to be started."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything that the LLM Server counts."""

    requests: Counter
    in_flight: Gauge
    ready: Gauge
    starts: Counter
    failures: Counter
    waiting: Gauge
    kv_usage: Gauge
    reports: Counter

    @classmethod
    def create(cls, registry: CollectorRegistry) -> Self:
        """Register the metrics."""
        prefix = "logits_llm_server_"
        return cls(
            requests=Counter(f"{prefix}requests", "Relayed requests by outcome.", ["outcome"], registry=registry),
            in_flight=Gauge(f"{prefix}requests_in_flight", "Requests under way.", registry=registry),
            ready=Gauge(f"{prefix}engine_ready", "1 while the engine answers.", registry=registry),
            starts=Counter(f"{prefix}engine_starts", "Engine processes started.", registry=registry),
            failures=Counter(
                f"{prefix}engine_failures", "Engines that ended or couldn't start.", ["reason"], registry=registry
            ),
            waiting=Gauge(f"{prefix}engine_waiting", "Requests waiting inside the engine.", registry=registry),
            kv_usage=Gauge(f"{prefix}engine_kv_usage_ratio", "Share of the KV cache in use.", registry=registry),
            reports=Counter(f"{prefix}reports", "Reports to the Entity DB by outcome.", ["outcome"], registry=registry),
        )
