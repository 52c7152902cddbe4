"""The queue: within its bounds, fair between keys, first come first served within one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from logits_core.waiting import FairQueue, Full, Pace, Place

KEYS = st.sampled_from(["a", "b", "c"])
MODELS = st.sampled_from(["m", "n"])


class Queueing(RuleBasedStateMachine):
    """Joins and leaves at random against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue(limit=6, bytes_limit=100)
        self.inside: list[Place[int]] = []
        self.number = 0

    @rule(model=MODELS, key=KEYS, size=st.integers(0, 60))
    def join(self, model: str, key: str, size: int) -> None:
        self.number += 1
        place = Place(model, key, size, self.number)
        found = self.queue.join(place)
        if isinstance(found, Full):
            return
        for loser in found:
            assert loser.key != key
            self.inside.remove(loser)
        self.inside.append(place)

    @rule(model=MODELS)
    def serve(self, model: str) -> None:
        first = self.queue.first(model)
        assert (first is None) == (self.queue.length(model) == 0)
        if first is not None:
            earlier = [p for p in self.inside if p.model == model and p.key == first.key]
            assert earlier[0] is first
            assert self.queue.leave(first)
            assert not self.queue.leave(first)
            self.inside.remove(first)

    @rule(index=st.integers(0, 5))
    def give_up(self, index: int) -> None:
        if index < len(self.inside):
            assert self.queue.leave(self.inside.pop(index))

    @invariant()
    def adds_up(self) -> None:
        assert self.queue.count == len(self.inside) <= 6
        assert self.queue.bytes == sum(place.size for place in self.inside) <= 100
        for model in ("m", "n"):
            waiting = self.queue.waiting_for(model)
            assert {id(p) for p in waiting} == {id(p) for p in self.inside if p.model == model}
        assert set(self.queue.models) == {place.model for place in self.inside}


TestQueueing = Queueing.TestCase


def test_keys_take_turns_whatever_the_others_have_waiting() -> None:
    queue: FairQueue[int] = FairQueue(limit=100, bytes_limit=100)
    for number in range(10):
        queue.join(Place("m", "greedy", 0, number))
    queue.join(Place("m", "modest", 0, 100))
    served: list[str] = []
    while (first := queue.first("m")) is not None:
        queue.leave(first)
        served.append(first.key)
    assert served.index("modest") == 1


def test_at_the_bound_the_greediest_makes_room() -> None:
    queue: FairQueue[int] = FairQueue(limit=4, bytes_limit=100)
    for number in range(4):
        queue.join(Place("m", "greedy", 0, number))
    displaced = queue.join(Place("m", "modest", 0, 100))
    assert not isinstance(displaced, Full)
    assert [place.item for place in displaced] == [3]
    assert queue.join(Place("m", "greedy", 0, 101)) == Full(own_share=True)


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=20))
def test_the_pace_is_within_what_was_seen(gaps: list[float]) -> None:
    pace = Pace()
    now = 0.0
    pace.turn(now, still_waiting=True)
    for gap in gaps:
        now += gap
        pace.turn(now, still_waiting=True)
    assert 1 <= pace.retry_after(0, now) <= max(1.0, *gaps) + 1
    assert pace.retry_after(1000, now) <= 120


def test_a_waking_model_is_given_the_time_that_waking_took() -> None:
    pace = Pace(wake_seconds=10)
    pace.asleep(0.0)
    assert pace.retry_after(5, 2.0) == 8
    assert pace.retry_after(5, 15.0) == 15
    pace.turn(30.0, still_waiting=False)
    pace.asleep(100.0)
    assert pace.retry_after(0, 100.0) == 14
