"""Limits: never more than allowed in any window, nothing taken by a refusal, debts are paid off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.keys import Admission, Limits, Meter
from logits_core.keys.limits import Refused

STEPS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 200), st.integers(0, 400)), max_size=60)


@given(STEPS, st.integers(1, 50))
def test_requests_in_any_window_stay_within_burst_and_rate(steps: list[tuple[float, int, int]], limit: int) -> None:
    meter = Meter(Limits(requests_per_minute=limit), 0.0)
    now = 0.0
    admitted: list[float] = []
    for pause, _, _ in steps:
        now += pause
        if isinstance(meter.admit(0, now), Admission):
            admitted.append(now)
    for start in admitted:
        for seconds in (1.0, 60.0, 300.0):
            inside = sum(start <= at <= start + seconds for at in admitted)
            assert inside <= limit + limit * seconds / 60 + 1e-6


@given(STEPS, st.integers(1, 1000))
def test_tokens_over_time_stay_within_burst_rate_and_the_last_debts(
    steps: list[tuple[float, int, int]], limit: int
) -> None:
    meter = Meter(Limits(tokens_per_minute=limit), 0.0)
    now, used = 0.0, 0
    for pause, estimate, real in steps:
        now += pause
        admission = meter.admit(estimate, now)
        if isinstance(admission, Admission):
            admission.settle(real, now)
            admission.settle(10**6, now)
            used += real
            # One after the other: only the last one can have overdrawn.
            assert used - real <= limit + limit * now / 60 + 1e-6
    assert meter.in_flight == 0


@given(st.integers(1, 20), st.integers(1, 40))
def test_concurrency_is_a_ceiling(limit: int, wanted: int) -> None:
    meter = Meter(Limits(concurrency=limit), 0.0)
    found = [meter.admit(0, 0.0) for _ in range(wanted)]
    admitted = [each for each in found if isinstance(each, Admission)]
    assert len(admitted) == min(limit, wanted) == meter.in_flight
    for each in admitted:
        each.settle(0, 0.0)
    assert isinstance(meter.admit(0, 0.0), Admission)


@given(st.integers(1, 1000), st.floats(0, 100))
def test_retry_after_is_the_truth(limit: int, start: float) -> None:
    meter = Meter(Limits(requests_per_minute=limit), start)
    refused = None
    while refused is None:
        found = meter.admit(0, start)
        refused = found if isinstance(found, Refused) else None
    assert refused.limit == "requests"
    assert isinstance(meter.admit(0, start + refused.retry_after * 0.9), Refused)
    assert isinstance(meter.admit(0, start + refused.retry_after + 1e-6), Admission)


def test_a_request_larger_than_the_bucket_needs_a_whole_one() -> None:
    meter = Meter(Limits(tokens_per_minute=10), 0.0)
    first = meter.admit(50, 0.0)
    assert isinstance(first, Admission)
    first.settle(50, 0.0)
    second = meter.admit(50, 0.0)
    assert isinstance(second, Refused)
    assert second.retry_after == pytest.approx(300)


def test_a_change_of_limits_forgives_nothing() -> None:
    meter = Meter(Limits(requests_per_minute=10), 0.0)
    for _ in range(8):
        meter.admit(0, 0.0)
    meter.change(Limits(requests_per_minute=9), 0.0)
    state = meter.requests(0.0)
    assert state is not None
    assert (state.limit, state.remaining) == (9, 1)
    meter.change(Limits(), 0.0)
    assert meter.requests(0.0) is None
