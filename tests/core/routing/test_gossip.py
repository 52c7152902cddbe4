"""Gossip: routers that tell each other account each request once, and none of them depends on it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Endpoint, Prompt, Reservation, Router, Usage, Verdict

ENDPOINTS = [Endpoint(f"e{n}", "h", n, 1000) for n in range(3)]


def router(*, gossip: bool = True) -> Router:
    made = Router(gossip=gossip)
    made.sync("m", ENDPOINTS)
    return made


def reserved(one: Router, prompt: Prompt | None = None) -> Reservation:
    got = one.reserve("m", now=0.0, pick=lambda n: 0, prompt=prompt)
    assert isinstance(got, Reservation)
    return got


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["reserve", "first", "release", "talk"])), max_size=60))
def test_after_talking_all_routers_count_the_same_load(acts: list[tuple[int, str]]) -> None:
    routers = [router(), router()]
    held: list[list[Reservation]] = [[], []]

    def talk() -> None:
        for number, one in enumerate(routers):
            routers[1 - number].hear(str(number), one.news(), 1.0)

    for number, act in acts:
        one, mine = routers[number], held[number]
        if act == "reserve":
            mine.append(reserved(one, Prompt.of("m", bytes([len(mine)]) * 600)))
        elif act == "talk":
            talk()
        elif mine and act == "first":
            one.first_byte(mine[0], 0.5)
        elif mine:
            one.release(mine.pop(0), Verdict.GOOD, now=1.0, usage=Usage(150, 0, 10))
    talk()
    assert routers[0].in_flight("m") == routers[1].in_flight("m")
    assert sum(routers[0].in_flight("m").values()) == len(held[0]) + len(held[1])
    routers[0].lost("1", 2.0)
    assert sum(routers[0].in_flight("m").values()) == len(held[0])


def test_what_another_router_sent_is_known() -> None:
    one, other = router(), router()
    prompt = Prompt.of("m", bytes(range(256)) * 80)
    first = reserved(one, prompt)
    one.first_byte(first, 0.5)
    one.release(first, Verdict.GOOD, now=1.0, usage=Usage(5000, 0, 10))
    other.hear("one", one.news(), 1.0)
    assert {s.endpoint: s.cached_tokens for s in other.explain("m", prompt, 2.0).scores}[first.endpoint.id] > 4900


def test_unfetched_news_are_bounded_and_counted() -> None:
    one = router()
    for _ in range(6000):
        one.release(reserved(one), Verdict.GOOD, now=0.0)
    assert len(one.news()) == 10_000
    assert one.dropped_news == 2000
    assert one.news() == []


def test_a_silent_router_neither_tells_nor_hears() -> None:
    silent, one = router(gossip=False), router()
    reserved(silent)
    reserved(one)
    assert silent.news() == []
    silent.hear("one", one.news(), 0.0)
    assert sum(silent.in_flight("m").values()) == 1
