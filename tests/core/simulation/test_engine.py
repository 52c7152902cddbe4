"""The simulated engine: blocks are never lost, known cases come out exactly, and waits obey queueing theory."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logits_core.simulation.cache import BlockCache
from logits_core.simulation.chances import exponential, poisson
from logits_core.simulation.engine import Engine
from logits_core.simulation.engine import Sequence as Work
from logits_core.simulation.fleet import Setup, Simulation
from logits_core.simulation.outcome import Outcome
from logits_core.simulation.policy import Chance, Policy
from logits_core.simulation.profiles import LLAMA_8B_H100, PROFILES, Profile
from logits_core.simulation.requests import Request, spans

PLAIN = Profile("plain", 1_000_000, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, sequences=1, overhead=0.0)
"""One second a step, whatever is in it."""


def request(parts: list[tuple[int, int]], output: int = 1, at: float = 0.0, answer: int = -1) -> Request:
    return Request(at, spans(parts), output, answer=answer)


def finish_all(engine: Engine) -> list[Work]:
    done: list[Work] = []
    while engine.end is not None:
        done += engine.finish()[1]
    return done


class Arrivals:
    """Poisson arrivals of unrelated prompts with a given law of answers' lengths."""

    def __init__(self, rate: float, count: int, mean_output: float, *, fixed: bool) -> None:
        self.rate, self.count, self.mean_output, self.fixed = rate, count, mean_output, fixed

    def start(self, chance: Chance) -> list[Request]:
        found: list[Request] = []
        for number, at in enumerate(poisson(chance, self.rate, 0.0, self.count / self.rate), 1):
            output = 1 if self.fixed else max(1, math.ceil(exponential(chance, self.mean_output)))
            found.append(request([(number, 16)], output, at, -number))
        return found

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        return []


def run(profile: Profile, arrivals: Arrivals) -> Outcome:
    setup = Setup((profile,), Policy, network_seconds=0.0, scrape_seconds=1e9)
    return Simulation(setup, arrivals, random.Random(5).random).run()


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_waits_are_those_of_a_queue_with_constant_service(load: float) -> None:
    # M/D/1: mean wait = load / (2 (1 - load)) service times.
    outcome = run(PLAIN, Arrivals(load, 30_000, 1, fixed=True))
    waits = [record.end - record.arrival - 1.0 for record in outcome.records]
    assert sum(waits) / len(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.1)


@pytest.mark.parametrize("servers", [2, 8])
def test_waits_are_those_of_a_queue_with_many_servers(servers: int) -> None:
    # M/M/c by Erlang's C formula; answers of about a thousand steps make the steps' grain small.
    load, steps = 0.8, 1000.0
    profile = replace(PLAIN, fixed=1 / steps, sequences=servers)
    outcome = run(profile, Arrivals(load * servers, 30_000, steps, fixed=False))
    offered = load * servers
    tail = offered**servers / math.factorial(servers) / (1 - load)
    waiting = tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)
    expected = waiting / (servers * (1 - load))
    waits = [r.first - r.arrival - 1.5 / steps for r in outcome.records]
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.1)


def test_a_lone_prefill_takes_what_the_equation_says() -> None:
    engine = Engine(LLAMA_8B_H100)
    engine.submit(Work(request([(1, 4096)]), 1), 0.0)
    assert engine.end == pytest.approx(1.15e-3 + 4.4e-6 + 0.0202e-3 * 4096 + 4.2e-10 * 4096**2)
    assert engine.end == pytest.approx(0.091, rel=0.01)


def test_a_long_prompt_is_read_in_chunks() -> None:
    engine = Engine(LLAMA_8B_H100)
    engine.submit(Work(request([(1, 20_000)]), 1), 0.0)
    ends: list[float] = []
    while engine.end is not None:
        ends.append(engine.end)
        engine.finish()
    assert len(ends) == 3
    whole = 3 * (1.15e-3 + 4.4e-6) + 0.0202e-3 * 20_000 + 4.2e-10 * 20_000**2
    assert ends[-1] == pytest.approx(whole)


def test_many_decoding_steps_at_once_take_as_long_as_one_by_one() -> None:
    one = Engine(LLAMA_8B_H100)
    one.submit(Work(request([(1, 100)], 50), 1), 0.0)
    first = one.end or 0.0
    finish_all(one)
    expected, at = first, 101
    profile = LLAMA_8B_H100
    for _ in range(49):
        expected += profile.fixed + profile.weights + profile.per_request + profile.per_context * at
        at += 1
    engine = Engine(LLAMA_8B_H100)
    engine.submit(Work(request([(1, 100)], 50), 1), 0.0)
    engine.finish()
    assert engine.end == pytest.approx(expected)


def cached(engine: Engine, number: int, parts: list[tuple[int, int]], output: int = 1) -> int:
    work = Work(request(parts, output, answer=-number), number)
    assert engine.submit(work, 0.0)
    finish_all(engine)
    return work.cached


def test_hits_of_known_sequences() -> None:
    engine = Engine(replace(LLAMA_8B_H100, cache_tokens=16 * 25))
    assert cached(engine, 1, [(1, 160)]) == 0
    assert cached(engine, 2, [(1, 160)]) == 144, "the last block is computed again, for its last token"
    assert cached(engine, 3, [(1, 160), (2, 40)]) == 160
    assert cached(engine, 4, [(3, 160)]) == 0
    assert cached(engine, 5, [(1, 160), (2, 40)]) == 192, "twelve whole blocks and ten others fit"
    assert cached(engine, 6, [(4, 80)]) == 0
    assert cached(engine, 7, [(3, 170)]) == 112, "the least recently used prompt lost its tail, not its head"


def test_a_conversation_finds_its_own_answers() -> None:
    engine = Engine(LLAMA_8B_H100)
    assert cached(engine, 1, [(1, 100)], output=60) == 0
    assert cached(engine, 2, [(1, 100), (-1, 60), (2, 20)]) == 144


def test_siblings_share_while_they_run() -> None:
    engine = Engine(LLAMA_8B_H100)
    works = [Work(request([(1, 9000)], 10, answer=-n), n) for n in (1, 2)]
    for work in works:
        engine.submit(work, 0.0)
    finish_all(engine)
    assert [work.cached for work in works] == [0, 8992]


def test_what_can_never_fit_is_refused() -> None:
    engine = Engine(replace(LLAMA_8B_H100, cache_tokens=1600))
    assert not engine.submit(Work(request([(1, 1500)], 200), 1), 0.0)
    assert not Engine(replace(PLAIN, queue=0)).submit(Work(request([(1, 1)]), 1), 0.0)


PARTS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 90)), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(PARTS, st.integers(1, 70), st.floats(0, 0.05)), min_size=1, max_size=25), st.integers(32, 90))
def test_every_request_ends_once_and_every_block_comes_back(
    asked: list[tuple[list[tuple[int, int]], int, float]], blocks: int
) -> None:
    engine = Engine(replace(LLAMA_8B_H100, cache_tokens=blocks * 16, step_tokens=64, sequences=8))
    now, done, taken = 0.0, list[Work](), 0
    for number, (parts, output, pause) in enumerate(asked, 1):
        # The same content number always has the same length, as a span's chain stands for its content.
        fixed = [(content, 8 * content + 7) for content, _ in parts]
        now += pause
        while engine.end is not None and engine.end <= now:
            done += engine.finish()[1]
        taken += engine.submit(Work(request(fixed, output, answer=-number), number), now)
    done += finish_all(engine)
    assert len(done) == taken == len({work.ticket for work in done})
    assert all(work.generated == work.request.output_tokens for work in done)
    cache = engine.cache
    assert cache.available == cache.blocks
    assert cache.usage == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.booleans()), max_size=40))
def test_blocks_are_conserved(acts: list[tuple[int, int, bool]]) -> None:
    cache = BlockCache(20)
    used = 0
    for content, tokens, keep in acts:
        path = spans([(content, 16 * (content + 1))])
        nodes = cache.hold(path)
        need = cache.missing(nodes, 0, tokens)
        if cache.take(need):
            cache.fill(nodes, tokens)
        if keep and cache.take(1):
            cache.give(1)
        cache.leave(nodes)
        assert cache.matched(path) <= 16 * (content + 1)
        assert 0 <= cache.available <= cache.blocks
        assert cache.available == cache.blocks - used


def test_profiles_are_named_by_themselves() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
    assert LLAMA_8B_H100.slower(2).per_context == 2 * LLAMA_8B_H100.per_context
