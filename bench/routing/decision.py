"""The cost of a decision: time to hash and place a prompt, and memory of a router's index, in Python."""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass

from logits_core.routing import Endpoint, Prompt, Reservation, Router, Usage, Verdict

ENDPOINTS = (8, 64, 512)
TOKENS = (1_000, 16_000, 128_000)
ROUNDS = 150
BATCHES = 5
"""The batch with the least median counts: the others were disturbed by whatever else the machine does."""


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time of one decision, hashing and reserving, for a fleet and a prompt length."""

    endpoints: int
    tokens: int
    hashing_p50: float
    whole_p50: float
    whole_p99: float


def warm(endpoints: int) -> Router:
    """Return a router that has been busy: many prompts known, some requests under way."""
    chance = random.Random(1)
    router = Router()
    router.sync("m", [Endpoint(f"pod-{n}", "10.0.0.1", n + 1, 512, 400_000) for n in range(endpoints)])
    held: list[Reservation] = []
    for step in range(600):
        prompt = Prompt.of("m", chance.randbytes(16_000))
        got = router.reserve("m", prompt=prompt, now=step * 0.01, pick=chance.randrange)
        if isinstance(got, Reservation):
            held.append(got)
        if len(held) > 4 * endpoints:
            done = held.pop(0)
            router.first_byte(done, step * 0.01)
            router.release(done, Verdict.GOOD, now=step * 0.01, usage=Usage(4000, 0, 200))
    return router


def decision(endpoints: int, tokens: int) -> Cost:
    """Measure decisions about conversations that go on: the prompt is known but for its end."""
    chance, router = random.Random(2), warm(endpoints)
    base = chance.randbytes(tokens * 4 - 64)
    found = [_batch(router, base, chance, tokens, batch * ROUNDS) for batch in range(BATCHES)]
    hashing, whole = min(found, key=lambda batch: batch[1][ROUNDS // 2])
    p99 = whole[ROUNDS * 99 // 100]
    return Cost(endpoints, tokens, hashing[ROUNDS // 2] * 1e6, whole[ROUNDS // 2] * 1e6, p99 * 1e6)


def _batch(
    router: Router, base: bytes, chance: random.Random, tokens: int, first: int
) -> tuple[list[float], list[float]]:
    hashing: list[float] = []
    whole: list[float] = []
    for step in range(first, first + ROUNDS):
        content = base + step.to_bytes(64)
        began = time.thread_time()
        prompt = Prompt.of("m", content)
        hashed = time.thread_time()
        got = router.reserve("m", prompt=prompt, now=10.0 + step * 0.01, pick=chance.randrange)
        ended = time.thread_time()
        hashing.append(hashed - began)
        whole.append(ended - began)
        if isinstance(got, Reservation):
            router.first_byte(got, 10.0 + step * 0.01)
            router.release(got, Verdict.GOOD, now=10.0 + step * 0.01, usage=Usage(tokens, tokens - 16, 200))
    return sorted(hashing), sorted(whole)


def memory(endpoints: int, cache_tokens: int) -> float:
    """Return MiB of a router whose index is full: twice as many prompts as the engines hold."""
    chance = random.Random(3)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    router = Router()
    router.sync("m", [Endpoint(f"pod-{n}", "10.0.0.1", n + 1, 512, cache_tokens) for n in range(endpoints)])
    for step in range(2 * endpoints * cache_tokens // 4_000):
        prompt = Prompt.of("m", chance.randbytes(16_000))
        got = router.reserve("m", prompt=prompt, now=step * 0.1, pick=chance.randrange)
        if isinstance(got, Reservation):
            router.release(got, Verdict.GOOD, now=step * 0.1, usage=Usage(4000, 0, 200))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / (1 << 20)


if __name__ == "__main__":
    for count in ENDPOINTS:
        for length in TOKENS:
            cost = decision(count, length)
            print(f"{count} endpoints, {length} tokens: hash {cost.hashing_p50:.1f}, whole p50 {cost.whole_p50:.1f}, "
                  f"p99 {cost.whole_p99:.1f} us")  # fmt: skip
    print(f"memory, 8 endpoints of 421,000 tokens: {memory(8, 421_000):.1f} MiB")
