"""Prefixes in routing: what was sent is remembered, what was lost is forgotten, and load sets the limit."""

from __future__ import annotations

import functools
import random

from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Endpoint, Prompt, Reason, Reservation, Router, Unavailable, Usage, Verdict
from logits_core.routing.prefixes import CROWD, PrefixIndex


def fleet(count: int, cache_tokens: int = 100_000) -> Router:
    router = Router()
    router.sync("m", [Endpoint(f"e{n}", "h", n + 1, 64, cache_tokens) for n in range(count)])
    return router


@functools.cache
def prompt(name: str, size: int = 20_000) -> Prompt:
    return Prompt.of("m", random.Random(name).randbytes(size))


def served(router: Router, wanted: Prompt, at: float, seed: int = 0) -> Reservation:
    got = router.reserve("m", prompt=wanted, now=at, pick=random.Random(seed).randrange)
    assert isinstance(got, Reservation)
    router.first_byte(got, at + 0.1)
    router.release(got, Verdict.GOOD, now=at + 1, usage=Usage(wanted.size // 4, 0, 100))
    return got


def test_a_prompt_returns_to_where_it_was() -> None:
    router = fleet(8)
    places = {name: served(router, prompt(name), 0.0).endpoint.id for name in "abcdefgh"}
    for name, place in places.items():
        again = served(router, prompt(name), 100.0)
        assert again.endpoint.id == place
        assert again.reason is Reason.PREFIX
        assert again.cached_tokens > 4000


def test_new_prompts_spread() -> None:
    router = fleet(8)
    held = [router.reserve("m", prompt=prompt(str(n)), now=0.0, pick=lambda n: 0) for n in range(40)]
    assert all(isinstance(each, Reservation) for each in held)
    load = router.in_flight("m").values()
    assert min(load) >= 2
    assert max(load) <= 12


def test_routers_that_do_not_talk_agree_on_new_prompts() -> None:
    routers = [fleet(8) for _ in range(4)]
    for at, name in enumerate("abcdefgh"):
        chosen = {served(router, prompt(name), at * 10.0, seed=n).endpoint.id for n, router in enumerate(routers)}
        assert len(chosen) == 1


def test_a_restart_is_forgotten() -> None:
    router = fleet(2)
    place = served(router, prompt("a"), 0.0).endpoint.id
    router.restarted("m", place)
    scores = {s.endpoint: s.cached_tokens for s in router.explain("m", prompt("a"), 10.0).scores}
    assert scores[place] < 3000


def test_a_cache_that_is_too_small_forgets_the_oldest() -> None:
    router = fleet(1, cache_tokens=10_300)
    for name in "abc":
        served(router, prompt(name), 0.0)
    explained = [router.explain("m", prompt(name), 10.0).scores[0].cached_tokens for name in "ac"]
    assert explained[0] < 1000
    assert explained[1] > 4000


def test_a_failed_attempt_leaves_no_memory() -> None:
    router = fleet(1)
    got = router.reserve("m", prompt=prompt("a"), now=0.0, pick=lambda n: 0)
    assert isinstance(got, Reservation)
    router.release(got, Verdict.BAD, now=0.1)
    assert router.explain("m", prompt("a"), 10.0).scores[0].cached_tokens < 3000


def test_siblings_in_a_burst_go_together_only_while_that_pays() -> None:
    router = fleet(8)
    for _ in range(64):
        assert isinstance(router.reserve("m", prompt=prompt("a"), now=0.0, pick=lambda n: 0), Reservation)
    load = router.in_flight("m").values()
    assert max(load) < 32
    assert min(load) > 0


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 6))
def test_explaining_says_what_reserving_does_and_changes_nothing(names: list[int], count: int) -> None:
    router = fleet(count)
    prompts = [prompt(str(n), 3000) for n in range(6)]
    for step, name in enumerate(names):
        explained = router.explain("m", prompts[name], float(step))
        assert explained == router.explain("m", prompts[name], float(step))
        got = router.reserve("m", prompt=prompts[name], now=float(step), pick=lambda n: 0)
        assert isinstance(got, Reservation)
        best = explained.scores[0].seconds
        chosen = next(s for s in explained.scores if s.endpoint == got.endpoint.id)
        assert chosen.seconds == best
        assert not chosen.excluded
        if step % 3:
            router.release(got, Verdict.GOOD, now=float(step))


def test_nothing_to_choose_from_is_explained_too() -> None:
    assert Router().explain("m", None, 0.0).endpoint is None


def test_an_adapter_goes_only_where_it_is_loaded() -> None:
    router = Router()
    router.sync(
        "m",
        [
            Endpoint("a", "h", 1, adapters=frozenset({"x"})),
            Endpoint("b", "h", 2, adapters=frozenset()),
            Endpoint("c", "h", 3),
        ],
    )
    found = {
        got.endpoint.id
        for _ in range(20)
        if isinstance(got := router.reserve("m", now=0.0, pick=lambda n: 0, adapter="x"), Reservation)
    }
    assert found == {"a", "c"}
    assert router.reserve("m", now=0.0, pick=lambda n: 0, adapter="x", exclude={"a", "c"}) is Unavailable.NO_ENDPOINT


def test_a_continuation_that_is_forgotten_and_comes_back_makes_no_crowd() -> None:
    index = PrefixIndex()
    index.open("e0", 30_000)
    begun = random.Random(1).randbytes(4096)
    for turn in range(20 * CROWD):
        # Only one of these fits beside the beginning, so each is forgotten before it is asked again.
        index.put("e0", Prompt.of("m", begun + random.Random(turn % 4).randbytes(20_000)))
    assert index.fork(Prompt.of("m", begun + random.Random(0).randbytes(20_000)).marks) == 0


def test_what_many_continue_is_common_property() -> None:
    index = PrefixIndex()
    index.open("e0", 10_000_000)
    begun = random.Random(1).randbytes(4096)
    for other in range(2 * CROWD):
        index.put("e0", Prompt.of("m", begun + random.Random(other).randbytes(500)))
    assert index.fork(Prompt.of("m", begun + random.Random(999).randbytes(500)).marks) > 0
