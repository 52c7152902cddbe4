"""The rollout: forward, back after the deadline, never to a lower counter, and at rest when done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.reconcile.manifests import Site
from logits_core.reconcile.state import Anchor, Customizations
from logits_core.rollout import (
    Accepted,
    ControllerObserved,
    Desired,
    Phase,
    Plan,
    Progress,
    Release,
    accept,
    plan,
)
from logits_core.rollout.manifest import controller_manifest, observe

DEADLINE = 120.0


def offer(counter: int, image: str = "a") -> Accepted:
    release = Release.make(
        version=f"0.{counter}.0",
        counter=counter,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        images={"controller": f"localhost/controller@sha256:{image * 64}"},
    )
    return Accepted(release, release.encode())


def manifest(accepted: Accepted | None) -> str:
    return f"manifest-{accepted.release.counter}" if accepted else ""


def decide(progress: Progress, observed: ControllerObserved, now: float, refusal: str = "", **more: Any) -> Plan:
    desired = Desired(progress, manifest(progress.accepted), manifest(progress.good), DEADLINE, refusal, **more)
    return plan(observed, desired, now)


def running(accepted: Accepted, *, ready: bool = True) -> ControllerObserved:
    return ControllerObserved(manifest(accepted), ready)


def test_without_a_release_nothing_happens() -> None:
    decided = decide(Progress(), ControllerObserved(), 0)
    assert (decided.phase, decided.apply, decided.wake_at) == (Phase.IDLE, None, None)


def test_the_first_release_is_applied_and_becomes_good() -> None:
    first = offer(1)
    progress = accept(Progress(), first, now=10)
    decided = decide(progress, ControllerObserved(), 10)
    assert (decided.phase, decided.apply, decided.wake_at) == (Phase.ROLLING_OUT, first, 130)
    decided = decide(progress, running(first, ready=False), 20)
    assert (decided.phase, decided.apply) == (Phase.ROLLING_OUT, None)
    decided = decide(progress, running(first), 30)
    assert (decided.phase, decided.running, decided.progress.good) == (Phase.READY, first, first)


def test_a_first_release_that_never_starts_has_nothing_to_go_back_to() -> None:
    progress = accept(Progress(), offer(1), now=0)
    decided = decide(progress, running(offer(1), ready=False), 500)
    assert (decided.phase, decided.apply, decided.wake_at) == (Phase.ROLLING_OUT, None, None)
    assert "pod's log" in decided.message


def test_a_bad_successor_is_rolled_back_after_the_deadline() -> None:
    first, second = offer(1), offer(2)
    progress = replace(accept(Progress(), first, now=0), good=first)
    progress = accept(progress, second, now=100)
    assert decide(progress, running(first), 100).apply == second
    waiting = decide(progress, running(second, ready=False), 219)
    assert (waiting.phase, waiting.apply, waiting.wake_at) == (Phase.ROLLING_OUT, None, 220)
    assert progress.in_force == (second, first)
    back = decide(progress, running(second, ready=False), 220)
    assert (back.phase, back.apply, back.progress.failed) == (Phase.ROLLED_BACK, first, 2)
    assert back.progress.in_force == (first,)
    rest = decide(back.progress, running(first), 300)
    assert (rest.phase, rest.apply, rest.running) == (Phase.ROLLED_BACK, None, first)
    third = accept(back.progress, offer(3), now=400)
    assert (decide(third, running(first), 400).apply, third.failed) == (offer(3), 0)


def test_a_restart_of_the_good_controller_is_no_rollback() -> None:
    first, second = offer(1), offer(2)
    progress = replace(accept(accept(Progress(), first, now=0), second, now=5), good=second)
    decided = decide(progress, running(second, ready=False), 10_000)
    assert (decided.phase, decided.apply, decided.running) == (Phase.ROLLING_OUT, None, second)


def test_a_refused_offer_leaves_what_runs_alone() -> None:
    first = offer(1)
    progress = replace(accept(Progress(), first, now=0), good=first)
    decided = decide(progress, running(first), 50, refusal="not signed")
    assert (decided.phase, decided.message, decided.apply) == (Phase.REFUSED, "not signed", None)
    assert decided.running == first


def test_a_recalled_release_is_not_gone_back_to() -> None:
    first, second = offer(1), offer(2)
    progress = accept(replace(accept(Progress(), first, now=0), good=first), second, now=100)
    late = decide(progress, running(second, ready=False), 500, good_allowed=False)
    assert (late.phase, late.apply, late.progress.failed) == (Phase.ROLLING_OUT, None, 0)
    assert "no earlier release may run" in late.message


def test_what_waits_for_the_customer_shows_beside_what_runs() -> None:
    first = offer(1)
    progress = replace(accept(Progress(), first, now=0), good=first)
    decided = decide(progress, running(first), 50, hold="the customer froze releases")
    assert (decided.phase, decided.message, decided.running) == (Phase.HELD, "the customer froze releases", first)
    assert decide(Progress(), ControllerObserved(), 0, hold="x").phase is Phase.HELD
    assert decide(progress, running(first), 50, "not signed", hold="x").phase is Phase.REFUSED


def test_counters_never_go_down() -> None:
    progress = accept(accept(Progress(), offer(1), now=0), offer(3), now=1)
    for counter in (1, 2):
        with pytest.raises(LogitsError) as caught:
            accept(progress, offer(counter), now=2)
        assert (caught.value.code, caught.value.field) == (ErrorCode.CONFLICT, "counter")
    assert accept(progress, offer(3), now=2) is progress
    with pytest.raises(LogitsError):
        accept(progress, offer(3, image="b"), now=2)


def test_the_floor_outlives_replaced_keys() -> None:
    progress = Progress(floor=5)
    with pytest.raises(LogitsError):
        accept(progress, offer(4), now=0)
    assert accept(progress, offer(5), now=0).accepted is not None


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.integers(1, 200)), max_size=20))
def test_any_history_keeps_the_promises(history: list[tuple[int, bool, int]]) -> None:
    progress, observed, now, highest = Progress(), ControllerObserved(), 0.0, 0
    for counter, healthy, seconds in history:
        now += seconds
        try:
            progress = accept(progress, offer(counter), now=now)
            assert counter >= highest
            highest = counter
        except LogitsError:
            assert counter < highest
        decided = decide(progress, observed, now)
        progress = decided.progress
        if decided.apply is not None:
            assert decided.apply in (progress.accepted, progress.good)
            observed = running(decided.apply, ready=healthy)
        else:
            observed = replace(observed, ready=healthy)
        assert progress.floor == highest
    for _ in range(4):  # left alone and healthy, it comes to rest
        decided = decide(progress, observed, now)
        progress = decided.progress
        observed = running(decided.apply) if decided.apply else replace(observed, ready=bool(observed.manifest))
    final = decide(progress, observed, now)
    assert final.apply is None
    assert final.phase in (Phase.IDLE, Phase.READY, Phase.ROLLED_BACK)


SITE = Site("logits", Anchor("logits-anchor", "u"), Customizations(), "0.1.0", "IfNotPresent")


def live(**status: Any) -> dict[str, Any]:
    made = controller_manifest(offer(1).release, SITE, {})
    made["metadata"]["generation"] = 2
    done = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return made | {"status": done | status}


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({}, True),
        ({"observedGeneration": 1}, False),
        ({"updatedReplicas": 0}, False),
        ({"availableReplicas": 0}, False),
        ({"replicas": 2}, False),
    ],
)
def test_ready_means_that_only_the_new_controller_is_left(status: dict[str, Any], ready: bool) -> None:
    found = observe(live(**status))
    assert found.ready is ready
    assert len(found.manifest) == 64


def test_a_missing_deployment_is_observed_as_nothing() -> None:
    assert observe(None) == ControllerObserved()
