"""The routers of the bench by name, and how often each reads the engines' metrics."""

from __future__ import annotations

from logits_core.simulation.learned import Gossiping, Learned
from logits_core.simulation.policy import LeastRequest, Policy, PowerOfTwo, RoundRobin, Router
from routing.aibrix import AIBrix
from routing.chwbl import KubeAI
from routing.dynamo import Dynamo
from routing.llm_d import Estimated, EstimatedTuned, Precise, Scorer
from routing.lmetric import LMetric
from routing.oracle import Oracle
from routing.production_stack import ProductionStack
from routing.sglang import SGLang, SGLangStruct

ROUTERS: dict[str, Router] = {
    "random": Policy,
    "round robin": RoundRobin,
    "least request": LeastRequest,
    "power of two": PowerOfTwo,
    "KubeAI CHWBL": KubeAI,
    "SGLang (command line)": SGLang,
    "SGLang (struct)": SGLangStruct,
    "llm-d load only": Scorer,
    "llm-d estimated": Estimated,
    "llm-d estimated, tuned": EstimatedTuned,
    "llm-d precise": Precise,
    "Dynamo KV": Dynamo,
    "LMetric": LMetric,
    "AIBrix prefix cache": AIBrix,
    "production-stack": ProductionStack,
    "oracle": Oracle,
    "Logits": Learned,
    "Logits, gossip": Gossiping(),
}

EVENTS = frozenset({"llm-d precise", "Dynamo KV", "LMetric"})
"""Those that look into the engines' caches, as with cache events that arrive at once."""


def scrape_seconds(name: str) -> float:
    """Return the pause between two readings of an engine's metrics: llm-d's 50 ms, a second for all others."""
    return 0.05 if name.startswith("llm-d") else 1.0
