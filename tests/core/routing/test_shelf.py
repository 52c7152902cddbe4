"""Shelves: what an endpoint is believed to hold is exactly what least recently used would leave, in bounded room."""

from __future__ import annotations

import random
import tracemalloc
from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Endpoint, Prompt, Reservation, Router, Usage, Verdict
from logits_core.routing.prefixes import PrefixIndex
from logits_core.routing.shelf import LUMPS, SLACK_ENTRIES, Shelf

PROMPTS = [Prompt.of("m", random.Random(seed).randbytes(300 + 250 * seed)) for seed in range(12)]


@given(st.lists(st.integers(0, 11), max_size=80), st.integers(1000, 9000))
def test_a_shelf_keeps_what_was_used_last(asked: list[int], capacity: int) -> None:
    index, expected = PrefixIndex(), OrderedDict[int, int]()
    index.open("e", capacity)
    for number in asked:
        prompt = PROMPTS[number]
        index.put("e", prompt)
        for count in range(len(prompt.marks), 0, -1):
            expected[prompt.marks[count - 1]] = prompt.end(count) - prompt.end(count - 1)
            expected.move_to_end(prompt.marks[count - 1])
        while sum(expected.values()) > capacity:
            expected.popitem(last=False)
    held = {mark for prompt in PROMPTS for mark in prompt.marks if index.matches((mark,), 1)}
    assert held == set(expected)
    assert len(index) == len(expected)


@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["put", "answer", "forget", "clear"])), max_size=120))
def test_what_leaves_a_shelf_leaves_nothing_behind(acts: list[tuple[int, str]]) -> None:
    index = PrefixIndex()
    shelf = index.open("e", 6000)
    for number, act in acts:
        prompt = PROMPTS[number]
        if act == "forget":
            index.forget("e", prompt.marks)
        elif act == "clear":
            index.clear("e")
        else:
            index.put("e", prompt, output=70.0 if act == "answer" else 0.0)
        assert 0 <= shelf.held <= shelf.capacity
    index.clear("e")
    assert (len(index), shelf.held) == (0, 0)
    assert not index.matches([mark for prompt in PROMPTS for mark in prompt.marks], 8)


def test_the_order_of_uses_stays_as_short_as_the_shelf() -> None:
    index = PrefixIndex()
    shelf = index.open("e", 1_000_000)
    for turn in range(20_000):
        prompt = PROMPTS[turn % 12]
        if turn % 3 == 0:
            index.forget("e", prompt.marks)
        index.put("e", prompt, output=1.0)
    assert len(shelf.order) <= 2 * len(shelf.uses) + LUMPS + SLACK_ENTRIES


def test_only_recent_prompts_outlive_what_others_send() -> None:
    shelf = Shelf(1, 1000)
    shelf.use((1, 2), (1, 2), 1, 100, 0)
    shelf.use((3,), (3,), 0, 400, 0)
    assert shelf.recent((1, 2), 2, 1.0) == 2
    assert shelf.recent((1, 2), 2, 0.25) == 0
    assert shelf.recent((3,), 1, 0.25) == 1


def test_a_router_whose_index_is_full_grows_no_more() -> None:
    router, chance = Router(), random.Random(1)
    router.sync("m", [Endpoint(f"e{n}", "h", n + 1, 64, 2_000) for n in range(4)])

    def serve(count: int) -> int:
        for step in range(count):
            prompt = Prompt.of("m", chance.randbytes(chance.randrange(3000)))
            got = router.reserve("m", prompt=prompt, now=step * 0.1, pick=chance.randrange)
            assert isinstance(got, Reservation)
            router.first_byte(got, step * 0.1)
            router.release(got, Verdict.GOOD, now=step * 0.1, usage=Usage(prompt.size // 4 + 1, 0, 20))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = serve(2000)
        assert serve(6000) < 1.1 * before
    finally:
        tracemalloc.stop()
