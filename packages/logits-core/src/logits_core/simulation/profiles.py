"""Engine profiles: how long one step of a continuous-batching engine takes on given hardware, with sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

BLOCK: Final = 16
"""Tokens of one block of the key-value cache, as in vLLM."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The time of one engine step and the room of one engine.

    ``step = fixed + per_request * B + per_context * K + max(weights, per_prompt_token * n) + attention * q``
    in seconds, with B requests in the step, K tokens of context of those that decode, n prompt tokens read in
    the step, and q the sum of ``chunk * (2 * start + chunk)`` over the prompts' chunks.

    Attributes:
        name: Unique name.
        cache_tokens: Tokens that the key-value cache holds.
        fixed: Seconds of every step, whatever is in it.
        per_request: Seconds for each request in the step.
        per_context: Seconds for each token of context that decoding requests read.
        weights: Seconds to read the weights once: the floor of a step's linear work.
        per_prompt_token: Seconds of linear work for each prompt token.
        attention: Seconds of attention for each pair of tokens in prefill, doubled as in q.
        step_tokens: Tokens that one step takes at most (chunked prefill).
        sequences: Requests that run at once at most.
        queue: Requests that wait in the engine at most; more are refused.
        overhead: Seconds that the engine's API server adds before the first token.
        start: Seconds from nothing to ready.
        hourly: Price of one engine's GPUs, US dollars an hour.
    """

    name: str
    cache_tokens: int
    fixed: float
    per_request: float
    per_context: float
    weights: float
    per_prompt_token: float
    attention: float
    step_tokens: int = 8192
    sequences: int = 256
    queue: int = 100_000
    overhead: float = 0.015
    start: float = 60.0
    hourly: float = 3.0

    @property
    def blocks(self) -> int:
        """Blocks of the key-value cache."""
        return self.cache_tokens // BLOCK

    def slower(self, factor: float) -> Profile:
        """Return a GPU that takes `factor` times as long for everything."""
        return replace(
            self,
            name=f"{self.name}-x{factor:g}",
            fixed=self.fixed * factor,
            per_request=self.per_request * factor,
            per_context=self.per_context * factor,
            weights=self.weights * factor,
            per_prompt_token=self.per_prompt_token * factor,
            attention=self.attention * factor,
        )


LLAMA_8B_H100: Final = Profile(
    name="llama-8b-h100",
    cache_tokens=421_000,
    fixed=1.15e-3,
    per_request=4.4e-6,
    per_context=7.62e-8,
    weights=5.7e-3,
    per_prompt_token=2.02e-5,
    attention=4.2e-10,
    hourly=3.0,
)
"""Llama-3.1-8B BF16 on one H100-80, vLLM.

Weights 16 GB and 131,072 bytes of cache a token at 3.35 TB/s; 20.2 µs a prompt token is the slope of Vidur's
measured H100 operators; the attention term is the quadratic one of Dynamo's mocker; per-request and context
terms are those of the BLIS simulator; the cache is 0.9 of 80 GB less weights and activations.
"""

QWEN_32B_2H100: Final = Profile(
    name="qwen-32b-2h100",
    cache_tokens=307_328,
    fixed=3.0e-3,
    per_request=4.4e-6,
    per_context=7.62e-8,
    weights=11.8e-3,
    per_prompt_token=6.28e-5,
    attention=8.4e-10,
    sequences=1024,
    hourly=6.0,
)
"""Qwen3-32B BF16 on two H100 (tensor parallel), vLLM: the engine of llm-d's 73-capacity benchmark.

15,928 prompt tokens/s are llm-d's measured figure; 307,328 tokens of cache are published with the benchmark;
262,144 bytes of cache a token, halved by two GPUs, read like the 8B profile's; weights 33 GB a GPU at 83 % of
3.35 TB/s; all-reduces over 64 layers add to the fixed part.
"""

LLAMA_70B_4H100: Final = Profile(
    name="llama-70b-4h100",
    cache_tokens=400_000,
    fixed=4.0e-3,
    per_request=4.4e-6,
    per_context=4.76e-8,
    weights=12.5e-3,
    per_prompt_token=6.9e-5,
    attention=8.4e-10,
    hourly=12.0,
)
"""Llama-3.1-70B BF16 on four H100, vLLM: the 8B profile scaled by weights, layers and GPUs; not measured."""

LLAMA_8B_A10G: Final = Profile(
    name="llama-8b-a10g",
    cache_tokens=25_000,
    fixed=1.5e-3,
    per_request=8.0e-6,
    per_context=3.9e-7,
    weights=30.0e-3,
    per_prompt_token=2.4e-4,
    attention=4.0e-9,
    step_tokens=2048,
    hourly=1.0,
)
"""Llama-3.1-8B BF16 on one A10G (600 GB/s, 70 TFLOPS dense): the 8B profile scaled by both; not measured."""

PROFILES: Final = {profile.name: profile for profile in (LLAMA_8B_H100, QWEN_32B_2H100, LLAMA_70B_4H100, LLAMA_8B_A10G)}
