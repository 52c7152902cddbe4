"""Autoscaling: up at once, down slowly, to zero when nobody asks and back when somebody does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from logits_core.reconcile.autoscale import Bounds, Load, Scaling, scale
from logits_core.reconcile.state import ScalingHistory

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=300)


def bounds(minimum: int = 1, maximum: int = 4, target: int = 8, zero_after: float = 600) -> Bounds:
    return Bounds(minimum, maximum, target, timedelta(seconds=zero_after))


def decide(
    limits: Bounds,
    load: Load,
    *,
    current: int,
    ready: int | None = None,
    history: ScalingHistory | None = None,
    after: float = 0,
) -> Scaling:
    return scale(
        limits,
        load,
        current=current,
        ready=current if ready is None else ready,
        history=history,
        now=NOW + timedelta(seconds=after),
        down_after=WINDOW,
    )


def test_more_load_means_more_replicas_at_once() -> None:
    assert decide(bounds(), Load(under_way=17), current=1).replicas == 3


def test_never_beyond_the_maximum() -> None:
    assert decide(bounds(maximum=2), Load(under_way=800), current=1).replicas == 2


def test_waiting_requests_add_a_replica_even_below_the_target() -> None:
    assert decide(bounds(target=100), Load(under_way=4, waiting=1), current=1).replicas == 2


def test_waiting_requests_add_nothing_while_a_replica_is_starting() -> None:
    assert decide(bounds(target=100), Load(under_way=4, waiting=1), current=2, ready=1).replicas == 2


def test_fewer_only_after_the_window() -> None:
    busy = decide(bounds(), Load(under_way=24), current=1)
    assert busy.replicas == 3
    calm = decide(bounds(), Load(under_way=1), current=3, history=busy.history, after=10)
    assert calm.replicas == 3
    assert calm.wake_at == NOW + timedelta(seconds=310)
    held = decide(bounds(), Load(under_way=1), current=3, history=calm.history, after=309)
    assert held.replicas == 3
    done = decide(bounds(), Load(under_way=1), current=3, history=held.history, after=311)
    assert done.replicas == 1
    assert done.wake_at is None


def test_a_restarted_controller_waits_the_window_before_it_stops_anything() -> None:
    first = decide(bounds(), Load(), current=3)
    assert first.replicas == 3
    assert decide(bounds(), Load(), current=3, history=first.history, after=301).replicas == 1


def test_the_last_replica_stops_after_the_idle_time() -> None:
    limits = bounds(minimum=0)
    asked = Load(last_request_at=NOW)
    first = decide(limits, asked, current=1, after=1)
    assert (first.replicas, first.wake_at) == (1, NOW + timedelta(seconds=600))
    assert decide(limits, asked, current=1, history=first.history, after=599).replicas == 1
    assert decide(limits, asked, current=1, history=first.history, after=600).replicas == 0


def test_a_request_starts_the_idle_time_anew() -> None:
    limits = bounds(minimum=0)
    first = decide(limits, Load(), current=1)
    later = decide(
        limits, Load(last_request_at=NOW + timedelta(seconds=500)), current=1, history=first.history, after=700
    )
    assert later.replicas == 1


def test_a_model_that_never_ran_starts_with_the_first_request() -> None:
    limits = bounds(minimum=0)
    asleep = decide(limits, Load(), current=0)
    assert (asleep.replicas, asleep.wake_at) == (0, None)
    assert decide(limits, Load(waiting=1), current=0, history=asleep.history).replicas == 1
    assert decide(limits, Load(waiting=20), current=0, history=asleep.history).replicas == 3


def test_a_clock_that_runs_ahead_does_not_keep_a_model_running() -> None:
    limits = bounds(minimum=0)
    first = decide(limits, Load(last_request_at=NOW + timedelta(days=1)), current=1)
    assert first.wake_at == NOW + timedelta(seconds=600)


def test_a_lower_maximum_counts_at_once() -> None:
    assert decide(bounds(maximum=1), Load(under_way=30), current=3).replicas == 1


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20), st.floats(0, 400)), min_size=1, max_size=30),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_always_within_bounds_with_bounded_memory(
    moments: list[tuple[int, int, float]], minimum: int, extra: int
) -> None:
    limits = bounds(minimum, max(1, minimum + extra))
    current, history, after = 0, None, 0.0
    for under_way, waiting, pause in moments:
        after += pause
        chosen = decide(limits, Load(under_way, waiting), current=current, history=history, after=after)
        assert limits.minimum <= chosen.replicas <= limits.maximum
        assert len(chosen.history.until) <= limits.maximum
        assert chosen.wake_at is None or chosen.wake_at > NOW + timedelta(seconds=after)
        if under_way + waiting:
            assert chosen.replicas >= min(limits.maximum, -(-(under_way + waiting) // limits.target))
        current, history = chosen.replicas, chosen.history
