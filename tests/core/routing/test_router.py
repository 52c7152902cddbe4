"""The router: load is never lost or doubled, ties are random, sick endpoints are left out but not forgotten."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logits_core.routing import Endpoint, EndpointHealth, Reservation, Router, Unavailable, Verdict


def endpoints(count: int, capacity: int = 4) -> list[Endpoint]:
    return [Endpoint(f"e{n}", "127.0.0.1", 8000 + n, capacity) for n in range(count)]


def taken(router: Router, **arguments: object) -> str:
    found = router.reserve("m", now=0.0, pick=lambda n: 0, **arguments)  # type: ignore[arg-type]
    assert isinstance(found, Reservation)
    return found.endpoint.id


class RouterMachine(RuleBasedStateMachine):
    """Reserve, release and change endpoints in any order."""

    @initialize()
    def start(self) -> None:
        self.router = Router()
        self.open: list[Reservation] = []
        self.present: list[Endpoint] = []
        self.now = 0.0

    @rule(count=st.integers(0, 4), capacity=st.integers(1, 3))
    def change(self, count: int, capacity: int) -> None:
        self.present = endpoints(count, capacity)
        self.router.sync("m", self.present)

    @rule(seed=st.integers(0, 9), excluded=st.sets(st.sampled_from(["e0", "e1", "e2", "e3"])))
    def reserve(self, seed: int, excluded: set[str]) -> None:
        load = self.router.in_flight("m")
        got = self.router.reserve("m", now=self.now, pick=random.Random(seed).randrange, exclude=frozenset(excluded))
        candidates = [e for e in self.present if e.id not in excluded]
        if got is Unavailable.NO_ENDPOINT:
            assert not candidates
        elif isinstance(got, Reservation):
            assert got.endpoint in candidates
            assert load[got.endpoint.id] < got.endpoint.capacity
            self.open.append(got)
        else:
            assert candidates

    @precondition(lambda self: bool(self.open))
    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def release(self, data: st.DataObject, verdict: Verdict) -> None:
        reservation = data.draw(st.sampled_from(self.open))
        self.open.remove(reservation)
        self.router.release(reservation, verdict, now=self.now)
        self.router.release(reservation, verdict, now=self.now)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def load_is_what_is_open(self) -> None:
        assert self.router.open_reservations == len(self.open)
        for name, load in self.router.in_flight("m").items():
            assert 0 <= load <= sum(r.endpoint.id == name for r in self.open)


TestRouterMachine = RouterMachine.TestCase


@given(st.integers(1, 6), st.integers(0, 20))
def test_load_spreads_evenly(count: int, requests: int) -> None:
    router = Router()
    router.sync("m", endpoints(count, capacity=100))
    chance = random.Random(7)
    for _ in range(requests):
        assert isinstance(router.reserve("m", now=0.0, pick=chance.randrange), Reservation)
    load = router.in_flight("m").values()
    assert max(load) - min(load) <= 1


def test_ties_follow_the_given_randomness() -> None:
    router = Router()
    router.sync("m", endpoints(3))
    got = router.reserve("m", now=0.0, pick=lambda n: n - 1)
    assert isinstance(got, Reservation)
    assert got.endpoint.id == "e2"


def test_three_failures_eject_and_a_success_forgives() -> None:
    router = Router(eject_after=3, eject_seconds=1.0)
    router.sync("m", endpoints(2))
    for _ in range(3):
        first = router.reserve("m", now=0.0, pick=lambda n: 0, exclude=frozenset({"e1"}))
        assert isinstance(first, Reservation)
        router.release(first, Verdict.BAD, now=0.0)
    assert router.ejected("m", 0.5) == {"e0"}
    assert taken(router) == "e1"
    assert taken(router) == "e1", "an ejected endpoint is left out even when the other is busier"
    probe = router.reserve("m", now=1.5, pick=lambda n: 0)
    assert isinstance(probe, Reservation)
    assert probe.endpoint.id == "e0"
    router.release(probe, Verdict.GOOD, now=1.5)
    assert router.ejected("m", 1.5) == frozenset()


def test_the_only_endpoint_is_tried_even_when_ejected() -> None:
    router = Router(eject_after=1)
    router.sync("m", endpoints(1))
    first = router.reserve("m", now=0.0, pick=lambda n: 0)
    assert isinstance(first, Reservation)
    router.release(first, Verdict.BAD, now=0.0)
    assert router.ejected("m", 0.1) == {"e0"}
    assert taken(router) == "e0"


@given(st.lists(st.sampled_from([Verdict.BAD, Verdict.UNKNOWN]), max_size=40))
def test_ejections_are_bounded(verdicts: list[Verdict]) -> None:
    health = EndpointHealth()
    for verdict in verdicts:
        health = health.after(verdict, 100.0, threshold=3, first=1.0, longest=30.0)
        assert health.ejected_until <= 130.0


def test_a_restarted_endpoint_starts_afresh() -> None:
    router = Router()
    router.sync("m", endpoints(1))
    assert taken(router) == "e0"
    router.sync("m", [Endpoint("e0", "127.0.0.9", 8000)])
    assert router.in_flight("m") == {"e0": 0}
    assert router.open_reservations == 1
