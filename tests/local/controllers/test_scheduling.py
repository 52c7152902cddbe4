"""The scheduler counts GPUs, honours selectors and taints, and says why a pod fits nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logits_local.controllers.plan import Bind, Patch
from logits_local.controllers.scheduling import plan_bindings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def node(name: str, *, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": "2", "nvidia.com/gpu": str(gpus)} if gpus else {"cpu": "2"}
    return {
        "metadata": {"name": name, "labels": {"zone": name}},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def pod(name: str, *, gpus: int = 0, node_name: str | None = None, **spec: Any) -> dict[str, Any]:
    resources = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    return {
        "metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}"},
        "spec": {
            "containers": [{"name": "c", "resources": resources}],
            **({"nodeName": node_name} if node_name else {}),
            **spec,
        },
    }


def bindings(pods: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> dict[str, str]:
    return {s.name: s.node for s in plan_bindings(pods, nodes, NOW).steps if isinstance(s, Bind)}


def reason(pods: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> str:
    (step,) = plan_bindings(pods, nodes, NOW).steps
    assert isinstance(step, Patch)
    assert step.status
    (entry,) = step.patch["status"]["conditions"]
    assert (entry["type"], entry["status"], entry["reason"]) == ("PodScheduled", "False", "Unschedulable")
    return entry["message"]


def test_gpu_pods_go_to_the_gpu_node_and_others_leave_it_free() -> None:
    nodes = [node("local"), node("local-gpu", gpus=1)]
    assert bindings([pod("llm", gpus=1), pod("web")], nodes) == {"llm": "local-gpu", "web": "local"}


def test_a_gpu_is_given_once() -> None:
    nodes = [node("local"), node("local-gpu", gpus=1)]
    taken = pod("first", gpus=1, node_name="local-gpu")
    assert reason([taken, pod("second", gpus=1)], nodes) == ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")


def test_a_finished_pod_gives_its_gpu_back() -> None:
    done = {**pod("first", gpus=1, node_name="g"), "status": {"phase": "Succeeded"}}
    assert bindings([done, pod("second", gpus=1)], [node("g", gpus=1)]) == {"second": "g"}


def test_selectors_and_taints_hold() -> None:
    tainted = node("b", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    nodes = [node("a"), tainted]
    assert reason([pod("p", nodeSelector={"zone": "b"})], nodes) == (
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint {gpu: yes}."
    )
    tolerant = pod("p", nodeSelector={"zone": "b"}, tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert bindings([tolerant], nodes) == {"p": "b"}


def test_an_unschedulable_pod_is_told_once() -> None:
    nodes = [node("a")]
    waiting = pod("p", gpus=1)
    (step,) = plan_bindings([waiting], nodes, NOW).steps
    assert isinstance(step, Patch)
    waiting["status"] = step.patch["status"]
    assert not plan_bindings([waiting], nodes, NOW).steps


def test_without_nodes_there_is_a_reason_too() -> None:
    assert reason([pod("p")], []) == "no nodes available to schedule pods"


@given(
    gpus=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    asks=st.lists(st.integers(0, 3), max_size=12),
)
def test_no_node_is_ever_asked_for_more_than_it_offers(gpus: list[int], asks: list[int]) -> None:
    nodes = [node(f"n{i}", gpus=count) for i, count in enumerate(gpus)]
    pods = [pod(f"p{i}", gpus=count) for i, count in enumerate(asks)]
    given_away = dict.fromkeys((f"n{i}" for i in range(len(gpus))), 0)
    for placed, where in bindings(pods, nodes).items():
        given_away[where] += asks[int(placed[1:])]
    assert all(given_away[f"n{i}"] <= count for i, count in enumerate(gpus))
