"""The load of an engine, read from what it publishes about itself."""

import math
import re
from dataclasses import dataclass
from typing import Final

import msgspec

_SAMPLE: Final = re.compile(r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)(?:\{[^}]*\})?\s+(?P<value>\S+)")


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What an engine has to do right now.

    Attributes:
        running: requests that are being worked on.
        waiting: requests that wait inside the engine.
        kv_usage: share of the KV cache in use, 0..1.
    """

    running: int = 0
    waiting: int = 0
    kv_usage: float = 0.0


class _Slot(msgspec.Struct, frozen=True):
    n_ctx: int
    is_processing: bool
    n_prompt_tokens: int = 0


def llamacpp_load(metrics: str, slots: bytes) -> EngineLoad:
    """Read llama.cpp's ``/metrics`` and ``/slots``.

    Raises:
        ValueError: either is not what this version of llama.cpp publishes.
    """
    samples = gauge_sums(metrics)
    held = msgspec.json.decode(slots, type=list[_Slot])
    room = sum(slot.n_ctx for slot in held)
    used = sum(slot.n_prompt_tokens for slot in held if slot.is_processing)
    return EngineLoad(
        running=_count(samples, "llamacpp:requests_processing"),
        waiting=_count(samples, "llamacpp:requests_deferred"),
        kv_usage=_share(used / room if room else 0.0),
    )


def vllm_load(metrics: str) -> EngineLoad:
    """Read vLLM's ``/metrics``; the KV gauge has had two names.

    Raises:
        ValueError: it is not what vLLM publishes.
    """
    samples = gauge_sums(metrics)
    usage = samples.get("vllm:kv_cache_usage_perc", samples.get("vllm:gpu_cache_usage_perc", 0.0))
    return EngineLoad(
        running=_count(samples, "vllm:num_requests_running"),
        waiting=_count(samples, "vllm:num_requests_waiting"),
        kv_usage=_share(usage),
    )


def gauge_sums(exposition: str) -> dict[str, float]:
    """Return each metric's sum over all its label sets, from Prometheus' text format."""
    sums: dict[str, float] = {}
    for line in exposition.splitlines():
        found = None if line.startswith("#") else _SAMPLE.match(line)
        if found is not None:
            sums[found["name"]] = sums.get(found["name"], 0.0) + float(found["value"])
    return sums


def _count(samples: dict[str, float], name: str) -> int:
    if name not in samples:
        raise ValueError(f"the engine publishes no {name}")
    return max(0, round(samples[name]))


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 3) if math.isfinite(value) else 0.0
