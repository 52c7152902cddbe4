"""The cost of routing in Python: a decision, a whole short request, and the memory of a router."""

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
IN_FLIGHT = 40
ROUNDS_OF = ((8, 1024), (8, 16_384), (64, 1024))
"""Endpoints and bytes of a prompt of the whole requests that are measured."""

FILLINGS = (2, 20)
"""How many times as many prompts as the engines hold have passed when memory is read."""

"""The batch with the least median counts: the others were disturbed by whatever else the machine does."""


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time of one decision, hashing and reserving, for a fleet and a prompt length."""

    endpoints: int
    tokens: int
    hashing_p50: float
    whole_p50: float
    whole_p99: float


@dataclass(frozen=True)
class Round:
    """Microseconds of processor time that a router takes for one whole request, on average."""

    endpoints: int
    size: int
    hashing: float
    reserving: float
    beginning: float
    ending: float

    @property
    def whole(self) -> float:
        """All of it."""
        return self.hashing + self.reserving + self.beginning + self.ending


@dataclass(frozen=True)
class Spent:
    """All that was measured; the memory in MiB when the index is full and much later."""

    decisions: tuple[Cost, ...]
    rounds: tuple[Round, ...]
    memory: tuple[float, float]


def spent() -> Spent:
    """Measure everything."""
    return Spent(
        tuple(decision(count, tokens) for count in ENDPOINTS for tokens in TOKENS),
        tuple(whole_request(count, size) for count, size in ROUNDS_OF),
        (memory(8, 421_000, FILLINGS[0]), memory(8, 421_000, FILLINGS[1])),
    )


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


def whole_request(endpoints: int, size: int) -> Round:
    """Measure requests from hashing to release: 400 prompts of `size` bytes that share their first half, in turn."""
    chance, router, now = random.Random(4), Router(), 0.0
    router.sync("m", [Endpoint(f"pod-{n}", "10.0.0.1", n + 1, 512, 400_000, 256) for n in range(endpoints)])
    shared = chance.randbytes(size // 2)
    contents = [shared + chance.randbytes(size - size // 2) for _ in range(400)]
    usage = Usage(size // 4, size // 5, 100)
    batches: list[tuple[float, ...]] = []
    for _ in range(5 * BATCHES):
        began = time.thread_time()
        prompts = [Prompt.of("m", content) for content in contents]
        hashed = time.thread_time()
        spent = [hashed - began, 0.0, 0.0, 0.0]
        for first in range(0, len(prompts), IN_FLIGHT):
            now += 1.0
            began = time.thread_time()
            found = [router.reserve("m", prompt=each, now=now, pick=chance.randrange)
                     for each in prompts[first : first + IN_FLIGHT]]  # fmt: skip
            reserved = time.thread_time()
            held = [each for each in found if isinstance(each, Reservation)]
            between = time.thread_time()
            for each in held:
                router.first_byte(each, now + 0.05)
            begun = time.thread_time()
            for each in held:
                router.release(each, Verdict.GOOD, now=now + 0.8, usage=usage)
            spent[1] += reserved - began
            spent[2] += begun - between
            spent[3] += time.thread_time() - begun
        batches.append(tuple(each / len(prompts) * 1e6 for each in spent))
    return Round(endpoints, size, *min(batches, key=sum))


def memory(endpoints: int, cache_tokens: int, fillings: int = 2) -> float:
    """Return MiB of a router through which so many times as many prompts have gone as the engines hold."""
    chance = random.Random(3)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    router = Router()
    router.sync("m", [Endpoint(f"pod-{n}", "10.0.0.1", n + 1, 512, cache_tokens) for n in range(endpoints)])
    for step in range(fillings * endpoints * cache_tokens // 4_000):
        prompt = Prompt.of("m", chance.randbytes(16_000))
        got = router.reserve("m", prompt=prompt, now=step * 0.1, pick=chance.randrange)
        if isinstance(got, Reservation):
            router.first_byte(got, step * 0.1 + 0.2)
            router.release(got, Verdict.GOOD, now=step * 0.1 + 2.0, usage=Usage(4000, 0, 200))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / (1 << 20)


if __name__ == "__main__":
    measured = spent()
    for each in (*measured.decisions, *measured.rounds, measured.memory):
        print(each)
