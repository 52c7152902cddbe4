"""Pod phases and conditions follow from container states as kubectl expects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from logits_local.nodes.status import ContainerRecord, Running, Terminated, Waiting, pod_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = Running(NOW)
DONE = Terminated(0, NOW, NOW)
FAILED = Terminated(3, NOW, NOW)
WAITING = Waiting("ContainerCreating")


def record(state: Any, *, ready: bool = False, last: Terminated | None = None) -> ContainerRecord:
    return ContainerRecord("c", "image", state, ready=ready, last=last)


def status(*main: ContainerRecord, policy: str = "Always") -> Any:
    pod = {"metadata": {"name": "p"}, "spec": {"restartPolicy": policy}}
    return pod_status(pod, "127.100.0.1", NOW, main, NOW)


def conditions(found: Any) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in found["conditions"]}


@pytest.mark.parametrize(
    ("states", "policy", "phase"),
    [
        ([WAITING], "Always", "Pending"),
        ([RUNNING], "Always", "Running"),
        ([RUNNING, WAITING], "Always", "Pending"),
        ([FAILED], "Always", "Running"),
        ([DONE], "Never", "Succeeded"),
        ([DONE, FAILED], "Never", "Failed"),
        ([DONE, RUNNING], "Never", "Running"),
    ],
)
def test_phases(states: list[Any], policy: str, phase: str) -> None:
    assert status(*map(record, states), policy=policy)["phase"] == phase


def test_a_crash_loop_still_counts_as_running() -> None:
    assert status(record(Waiting("CrashLoopBackOff"), last=FAILED))["phase"] == "Running"


def test_readiness_needs_every_container() -> None:
    assert conditions(status(record(RUNNING, ready=True)))["Ready"] == "True"
    found = status(record(RUNNING, ready=True), record(RUNNING))
    assert conditions(found)["Ready"] == "False"
    ready = next(entry for entry in found["conditions"] if entry["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == ("ContainersNotReady", "containers with unready status: [c]")


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    first = status(record(RUNNING))
    pod = {"metadata": {"name": "p"}, "spec": {}, "status": first}
    later = NOW + timedelta(minutes=5)
    ready = record(RUNNING, ready=True)
    second = pod_status(pod, "127.100.0.1", NOW, (ready,), later)
    times = {entry["type"]: entry["lastTransitionTime"] for entry in second["conditions"]}
    assert times["Initialized"] == "2026-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:05:00Z"


def test_a_signal_is_an_exit_code() -> None:
    (entry,) = status(record(Terminated(137, NOW, NOW)))["containerStatuses"]
    assert entry["state"]["terminated"]["exitCode"] == 137
    assert entry["state"]["terminated"]["reason"] == "Error"
