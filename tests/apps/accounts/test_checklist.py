"""The registration checklist: every state of a cluster has a row that says what is and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_accounts.checklist import EXPECTED, checklist

NOW = 1_800_000_000.0
SEEN = "2027-01-15T07:59:50Z"
REGISTERED = {
    "keyId": "abcdefgh",
    "createdAt": "2027-01-15T07:00:00Z",
    "registration": {"gatewayVersion": "0.1.0", "kubernetesVersion": "v1.36.3"},
    "registeredAt": SEEN,
    "lastSeenAt": SEEN,
    "nodes": 1,
    "gpus": 1,
    "desired": {"version": "0.1.0"},
}


def _rows(**changes: Any) -> dict[str, dict[str, Any]]:
    return {row["step"]: row for row in checklist({**REGISTERED, **changes}, NOW)}


def _component(name: str, ready: int = 1, reason: str = "") -> dict[str, Any]:
    return {"name": name, "version": "0.1.0", "replicas": 1, "readyReplicas": ready, "reason": reason}


def test_a_silent_gateway_fails() -> None:
    assert _rows()["gateway"]["status"] == "ok"
    silent = _rows(lastSeenAt="2027-01-15T07:50:00Z")["gateway"]
    assert silent["status"] == "failed"
    assert "logs deployment/logits-gateway" in silent["command"]


def test_nodes_without_a_gpu_fail_with_what_to_do() -> None:
    row = _rows(gpus=0)["hardware"]
    assert (row["status"], row["detail"]) == ("failed", "1 node, 0 GPUs.")
    assert "device plugin" in row["remedy"]
    assert _rows(nodes=None)["hardware"]["status"] == "waiting"


@pytest.mark.parametrize("state", ["Refused", "RolledBack"])
def test_a_release_that_does_not_run_fails(state: str) -> None:
    assert _rows(release={"state": state, "running": {"version": "0.1.0"}})["controller"]["status"] == "failed"


def test_no_published_release_is_said() -> None:
    assert "No release is published" in _rows(desired=None)["controller"]["detail"]


def test_components_are_counted_and_broken_ones_named() -> None:
    late = _rows(components=[_component("controller")])["components"]
    assert late["status"] == "waiting"
    assert late["detail"].startswith(f"1 of {len(EXPECTED)} are ready; waiting for entity-db")
    broken = _rows(components=[_component("console", 0, "CrashLoopBackOff")])["components"]
    assert (broken["status"], broken["detail"]) == ("failed", "console: CrashLoopBackOff.")
    assert _rows(components=[_component(name) for name in EXPECTED])["components"]["status"] == "ok"


def test_models() -> None:
    assert _rows()["model"]["command"]
    assert "starting" in _rows(models={"enabled": 1, "ready": 0})["model"]["detail"]
    assert _rows(models={"enabled": 2, "ready": 1})["model"]["status"] == "ok"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "release": st.none() | st.fixed_dictionaries({}, optional={"state": st.text(), "running": st.none()}),
            "components": st.none() | st.lists(st.builds(_component, st.sampled_from(EXPECTED), st.integers(0, 2))),
            "models": st.none() | st.fixed_dictionaries({"enabled": st.integers(0, 3), "ready": st.integers(0, 3)}),
            "nodes": st.none() | st.integers(0, 3),
            "gpus": st.none() | st.integers(0, 3),
            "registration": st.none(),
            "lastSeenAt": st.none() | st.just(SEEN),
        },
    )
)
def test_every_state_has_six_complete_rows(state: dict[str, Any]) -> None:
    rows = checklist({**REGISTERED, **state}, NOW)
    assert [row["step"] for row in rows] == [
        "key", "gateway", "controller", "hardware", "components", "model",
    ]  # fmt: skip
    for row in rows:
        assert row["status"] in ("waiting", "ok", "failed")
        assert row["detail"]
        assert row["status"] != "failed" or row["remedy"]
