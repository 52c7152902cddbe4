"""Learning: lines, loads and beliefs come to what the answers show, and stay within their bounds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.routing import Usage
from logits_core.routing.belief import HOMES, STRAY, Belief
from logits_core.routing.load import Habits, Load, Speeds
from logits_core.routing.ring import Ring
from logits_core.routing.speed import Factor, Line

NUMBERS = st.floats(0, 1e6, allow_nan=False)


def test_a_line_is_found_from_noisy_points() -> None:
    chance, line = random.Random(1), Line(1.0, 1.0, 10.0)
    for _ in range(500):
        x = chance.random() * 100
        line.add(x, 5 + 0.3 * x + chance.gauss(0, 0.1))
    assert line.intercept == pytest.approx(5, rel=0.05)
    assert line.slope == pytest.approx(0.3, rel=0.05)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(0, 1)), max_size=50))
def test_a_line_never_falls_and_never_predicts_less_than_nothing(points: list[tuple[float, float, float]]) -> None:
    line = Line(1e-5, 1e-9, 1000.0)
    for x, y, weight in points:
        line.add(x, y, weight)
        assert line.slope >= 0
        assert line.intercept >= 0


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["add", "read", "drop"]), st.floats(0, 5)), max_size=60))
def test_a_load_account_comes_back_to_nothing(acts: list[tuple[int, str, float]]) -> None:
    load, now, held = Load(Speeds(), Habits()), 0.0, dict[int, bool]()
    for number, act, pause in acts:
        now += pause
        if act == "add" and number not in held:
            load.add(number, 100.0, 150.0, context=500.0, now=now)
            held[number] = False
        elif act == "read" and number in held:
            load.read(number, now)
            held[number] = True
        elif act == "drop" and held.get(number):
            load.drop(500.0)
            del held[number]
        assert load.wait(now) >= 0
        assert load.in_flight == len(held)
        assert load.context == pytest.approx(500.0 * len(held))
    for number, read in held.items():
        if not read:
            load.read(number, now, learn=False)
        load.drop(500.0)
    assert (load.in_flight, load.context, load.wait(now)) == (0, 0, 0)


def test_the_speed_of_reading_is_learned() -> None:
    load = Load(Speeds(), Habits())
    for number in range(400):
        now = number * 10.0
        load.add(number, 8000, 8000, context=8000, now=now)
        load.read(number, now + 8000 * 1e-4)
        load.drop(8000)
    assert load.seconds(8000, 0) == pytest.approx(0.8, rel=0.1)


def test_the_speed_of_a_slow_processor_is_learned_from_short_prompts() -> None:
    assert learned_from_short_prompts(4e-4) == pytest.approx(4e-4, rel=0.1)


def test_short_prompts_say_nothing_about_a_fast_processor() -> None:
    assert learned_from_short_prompts(2e-5) == Speeds().reading.value


def learned_from_short_prompts(seconds_per_token: float) -> float:
    speeds = Speeds()
    load = Load(speeds, Habits())
    for number in range(300):
        tokens = 40 + number * 37 % 160
        load.first_token(tokens, 0.03 + tokens * seconds_per_token)
    return speeds.reading.value


def test_slow_answers_of_a_full_endpoint_say_nothing_about_reading() -> None:
    speeds = Speeds()
    load = Load(speeds, Habits())
    load.report(1, 0.99, now=0.0)
    load.add(1, 8000, 8000, context=8000, now=0.0)
    load.read(1, 500.0)
    assert speeds.reading.value == Speeds().reading.value
    assert load.reading.value == 1.0


def test_a_late_first_token_is_waited_for_as_long_again() -> None:
    load = Load(Speeds(), Habits())
    load.add(1, 8000, 8000, context=8000, now=0.0)
    assert load.wait(0.1) < 1.0
    assert load.wait(60.0) > 50.0


def test_an_endpoint_that_seemed_slow_is_tried_again_later() -> None:
    factor = Factor()
    for _ in range(50):
        factor.add(3.0, 1.0)
    assert factor.value == pytest.approx(3.0, rel=0.1)
    factor.fade(3600.0)
    assert factor.value == pytest.approx(1.0, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1)), max_size=50))
def test_a_factor_stays_within_its_bounds(ratios: list[tuple[float, float]]) -> None:
    factor = Factor()
    for ratio, weight in ratios:
        factor.add(ratio, weight)
        assert 0.1 <= factor.value <= 10


@given(st.lists(st.tuples(st.booleans(), st.integers(0, STRAY), st.floats(-1, 2)), max_size=200))
def test_beliefs_are_shares_and_homes_are_ordered(answers: list[tuple[bool, int, float]]) -> None:
    belief = Belief()
    for kept, rank, share in answers:
        (belief.learn_kept if kept else belief.learn_found)(rank, max(0.0, share) if kept else share)
        assert all(0 <= value <= 1 for value in (*belief.kept, *belief.found))
        expected = [belief.expected(rank) for rank in range(HOMES)]
        assert expected == sorted(expected, reverse=True)


def test_habits_are_averages() -> None:
    habits = Habits()
    for _ in range(300):
        habits.learn(Usage(1000, None, 50), 6000)
    assert habits.bytes_per_token == pytest.approx(6, rel=0.01)
    assert habits.completion_tokens == pytest.approx(50, rel=0.01)


@given(st.integers(1, 40), st.integers(0, 2**64 - 1))
def test_homes_are_distinct_and_agreed(count: int, mark: int) -> None:
    names = [f"e{n}" for n in range(count)]
    homes = Ring(names).homes(mark, 3)
    assert len(set(homes)) == min(3, count)
    assert homes == Ring(reversed(names)).homes(mark, 3)


def test_an_endpoint_that_leaves_moves_hardly_more_than_its_own() -> None:
    names = [f"e{n}" for n in range(20)]
    marks = [random.Random(n).getrandbits(64) for n in range(500)]
    before, after = Ring(names), Ring(names[1:])
    moved = [m for m in marks if before.homes(m, 1) != after.homes(m, 1)]
    own = {m for m in marks if before.homes(m, 1) == ["e0"]}
    assert own <= set(moved)
    assert 5 < len(moved) < 75


def test_an_endpoint_that_stays_busy_loses_a_part_of_its_share() -> None:
    ring = Ring(["a", "b"])
    before = at_home(ring, "a")
    for second in range(1200):
        ring.report("a", 40, 0.0, float(second))
        ring.report("b", 20, 0.0, float(second))
    after = at_home(ring, "a")
    assert after < before
    assert 0.5 * len(before) < len(after) < 0.9 * len(before)


def test_an_endpoint_whose_memory_is_full_gets_no_more_for_serving_few() -> None:
    ring = Ring(["a", "b"])
    before = at_home(ring, "a")
    for second in range(6000):
        ring.report("a", 60, 1.6, float(second))
        ring.report("b", 100, 0.9, float(second))
    assert at_home(ring, "a") < before


def test_what_is_known_of_endpoints_outlives_the_coming_of_another() -> None:
    ring = Ring(["a", "b"])
    for second in range(1200):
        ring.report("a", 80, 0.0, float(second))
        ring.report("b", 20, 0.0, float(second))
    grown = Ring(["a", "b", "c"], ring)
    assert len(at_home(grown, "a")) < len(at_home(Ring(["a", "b", "c"]), "a"))


MARKS = [random.Random(n).getrandbits(64) for n in range(1000)]


def at_home(ring: Ring, name: str) -> set[int]:
    return {mark for mark in MARKS if ring.homes(mark, 1) == [name]}
