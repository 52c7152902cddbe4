"""Supervision: phases, pauses, giving up and recovering, and what no sequence of events may lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.engines.supervision import (
    FAILURES_UNTIL_FAILED,
    LONGEST_PAUSE_SECONDS,
    STABLE_SECONDS,
    Desired,
    Observed,
    Phase,
    Step,
    pause_after,
    plan,
)

SERVE = Desired(load_seconds=100)


def test_the_way_to_ready() -> None:
    observed = Observed()
    assert (plan(observed, SERVE, 0).phase, plan(observed, SERVE, 0).step) == (Phase.STARTING, Step.START)
    observed = observed.started(0)
    loading = plan(observed, SERVE, 1)
    assert (loading.phase, loading.step, loading.again_at) == (Phase.LOADING_WEIGHTS, Step.WAIT, 100)
    observed = observed.with_weights()
    assert (plan(observed, SERVE, 2).phase, plan(observed, SERVE, 2).step) == (Phase.LOADING_WEIGHTS, Step.PROBE)
    observed = observed.answered(3)
    ready = plan(observed, SERVE, 4)
    assert (ready.phase, ready.step, ready.again_at) == (Phase.READY, Step.WAIT, None)


def test_an_engine_that_never_finishes_loading_is_stopped() -> None:
    decided = plan(Observed().started(0), SERVE, 100)
    assert decided.step is Step.STOP
    assert "100 seconds" in decided.message


def test_a_crash_is_followed_by_a_pause_and_a_start() -> None:
    observed = Observed().started(0).with_weights().answered(1).failed(5, "It crashed.")
    waiting = plan(observed, SERVE, 5)
    assert (waiting.phase, waiting.step, waiting.again_at) == (Phase.STARTING, Step.WAIT, 5.5)
    assert waiting.message.startswith("It crashed.")
    assert plan(observed, SERVE, 5.5).step is Step.START


def test_a_crash_loop_becomes_failed_but_is_tried_again() -> None:
    observed = Observed()
    for number in range(FAILURES_UNTIL_FAILED):
        observed = observed.started(number).failed(number, "It crashed.")
    decided = plan(observed, SERVE, 2)
    assert (decided.phase, decided.step) == (Phase.FAILED, Step.WAIT)
    assert "3 times in a row" in decided.message
    assert decided.again_at is not None
    assert plan(observed, SERVE, decided.again_at).step is Step.START
    again = observed.started(decided.again_at)
    assert plan(again, SERVE, decided.again_at).phase is Phase.FAILED
    assert plan(again.with_weights(), SERVE, decided.again_at).phase is Phase.LOADING_WEIGHTS


def test_a_minute_of_readiness_wipes_the_slate_clean() -> None:
    observed = Observed(failures=9).started(0).with_weights().answered(1)
    assert observed.failed(1 + STABLE_SECONDS, "x").failures == 1
    assert observed.failed(STABLE_SECONDS, "x").failures == 10


def test_what_cannot_mend_itself_is_failed_at_once() -> None:
    decided = plan(Observed().failed(0, "No such file.", hopeless=True), SERVE, 1)
    assert (decided.phase, decided.step, decided.again_at) == (Phase.FAILED, Step.WAIT, LONGEST_PAUSE_SECONDS)
    assert decided.message == "No such file. It is tried again every 60 seconds."


@pytest.mark.parametrize(("in_flight", "now", "step"), [(3, 5, Step.WAIT), (0, 5, Step.STOP), (3, 10, Step.STOP)])
def test_draining_waits_for_requests_until_its_time_is_up(in_flight: int, now: float, step: Step) -> None:
    observed = Observed(in_flight=in_flight).started(0).with_weights().answered(1)
    decided = plan(observed, Desired(load_seconds=100, drain_until=10), now)
    assert (decided.phase, decided.step) == (Phase.DRAINING, step)


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [pause_after(failures, hopeless=False) for failures in range(1, 200)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def _after(observed: Observed, event: str, now: float) -> Observed:
    running = observed.started_at is not None
    match event:
        case "start" if not running:
            return observed.started(now)
        case "loaded" if running:
            return observed.with_weights()
        case "answered" if observed.loaded:
            return observed.answered(now)
        case "failed" | "hopeless":
            return observed.failed(now, "It broke.", hopeless=event == "hopeless")
        case "stopped":
            return observed.stopped()
        case _:
            return observed


@given(
    events=st.lists(st.sampled_from(["start", "loaded", "answered", "failed", "hopeless", "stopped"]), max_size=30),
    draining=st.booleans(),
    gap=st.floats(0, 200),
)
def test_no_sequence_of_events_leads_astray(events: list[str], draining: bool, gap: float) -> None:
    observed, now = Observed(), 0.0
    for event in events:
        now += gap
        observed = _after(observed, event, now)
        _check(observed, draining, now)


def _check(observed: Observed, draining: bool, now: float) -> None:
    decided = plan(observed, Desired(load_seconds=100, drain_until=now + 5 if draining else None), now)
    running = observed.started_at is not None
    assert decided.message
    assert decided.step is not Step.START or not (running or draining)
    assert decided.step not in {Step.STOP, Step.PROBE} or running
    assert (decided.phase is Phase.READY) == (observed.ready_since is not None and not draining)
    if decided.step is Step.WAIT:
        assert decided.again_at is None or decided.again_at > now
        assert running or draining or decided.again_at is not None, "an absent engine must be tried again"
