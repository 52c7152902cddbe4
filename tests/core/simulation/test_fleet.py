"""Whole simulations: seeded, complete on every path, and the published order of routers comes out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logits_core.simulation.chart import line_chart
from logits_core.simulation.fleet import Failure, Setup, Simulation
from logits_core.simulation.learned import Gossiping, Learned
from logits_core.simulation.outcome import Outcome, Summary, percentile
from logits_core.simulation.policy import LeastRequest, Policy, PowerOfTwo, RoundRobin, Router, View
from logits_core.simulation.profiles import LLAMA_8B_H100
from logits_core.simulation.sizing import Target, engines_needed
from logits_core.simulation.workloads import Agents, Mixed

SHORT = Agents(rate=1.0, seconds=20.0, turns=4.0, think_seconds=2.0)
ROUTERS: list[Router] = [Policy, RoundRobin, LeastRequest, PowerOfTwo, Learned, Gossiping()]


def run(router: Router, seed: int = 1, routers: int = 1, failures: tuple[Failure, ...] = (), **more: float) -> Outcome:
    setup = Setup(
        (LLAMA_8B_H100,) * 3, router, routers=routers, failures=failures, stale_seconds=more.get("stale", 0.0)
    )
    return Simulation(setup, SHORT, random.Random(seed).random).run()


@pytest.mark.parametrize("router", ROUTERS)
def test_equal_seeds_give_equal_runs(router: Router) -> None:
    assert run(router, 3, routers=2).records == run(router, 3, routers=2).records
    assert run(router, 3).records != run(router, 4).records


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ROUTERS),
    st.integers(1, 4),
    st.floats(0, 3),
    st.lists(
        st.builds(
            Failure,
            st.integers(0, 2),
            st.floats(0, 30),
            st.floats(0.1, 20),
            noticed=st.one_of(st.none(), st.floats(0, 3)),
            told=st.booleans(),
        ),
        max_size=1,
    ),
)
def test_every_request_ends_once_and_every_reservation_is_released(
    router: Router, routers: int, stale: float, failures: list[Failure]
) -> None:
    made: list[Policy] = []

    def remembered(view: View) -> Policy:
        made.append(router(view))
        return made[-1]

    outcome = run(remembered, 7, routers, tuple(failures), stale=stale)
    assert all(record.failed or record.arrival < record.first <= record.end for record in outcome.records)
    assert all(0 <= record.cached_tokens <= record.prompt_tokens for record in outcome.records)
    assert sum(record.failed for record in outcome.records) == outcome.summary().failed
    assert failures or not outcome.summary().failed
    for policy in made:
        if isinstance(policy, Learned):
            assert policy.router.open_reservations == 0


def test_engines_that_are_starting_get_requests_when_they_are_ready() -> None:
    setup = Setup((LLAMA_8B_H100,) * 2, Learned, starting=(0.0, 5.0))
    outcome = Simulation(setup, Mixed(rate=5.0, seconds=3.0), random.Random(1).random).run()
    assert min(record.first for record in outcome.records) > LLAMA_8B_H100.start
    assert outcome.summary().failed == 0


def test_a_hot_prefix_stays_within_the_bound() -> None:
    hot = Mixed(rate=30.0, seconds=20.0, prefixes=1, prefix_tokens=5000.0)
    outcome = Simulation(Setup((LLAMA_8B_H100,) * 4, Learned), hot, random.Random(1).random).run()
    counts = [sum(record.engine == engine for record in outcome.records) for engine in range(4)]
    assert max(counts) < 2 * sum(counts) / 4


def test_the_fewest_engines_are_found() -> None:
    def simulate(engines: int) -> Summary:
        busy = Mixed(rate=40.0, seconds=10.0, prompt_tokens=3000.0)
        return Simulation(Setup((LLAMA_8B_H100,) * engines, Learned), busy, random.Random(1).random).run().summary()

    target = Target(first_p90=0.5)
    sizing = engines_needed(simulate, target, most=32)
    assert sizing.engines is not None
    assert target.met(sizing.tried[sizing.engines])
    assert not target.met(simulate(sizing.engines - 1))
    assert engines_needed(simulate, Target(first_p90=0.0), most=2).engines is None


def test_percentiles_are_nearest_ranks() -> None:
    assert [percentile(range(1, 101), share) for share in (0.0, 0.5, 0.9, 1.0)] == [1, 50, 90, 100]
    assert percentile([], 0.5) == 0.0


def test_a_chart_shows_every_line_and_escapes_names() -> None:
    drawn = line_chart("t", "x", "y", {"a<b": [(1, 2.0), (2, 3.0)], "c": [(1, 0.0), (2, 9.0)]}, most=4.0)
    assert drawn.count("<polyline") == 2
    assert "a&lt;b" in drawn
