"""The Controller's plan: converges whatever it saw on the way, and rests when all is as it should be."""

from __future__ import annotations

import copy
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from logits_core.reconcile import Observed, plan
from simulators.cluster_world import SimulatedCluster, demand, language_model, model_deployment, release

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?", fullmatch=True)
SPECS = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "minReplicas": st.integers(0, 3),
        "extra": st.integers(0, 3),
        "scaleToZeroAfterSeconds": st.integers(1, 900),
        "targetInFlight": st.integers(1, 8),
    }
)
DEPLOYMENT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _world(specs: dict[str, dict[str, Any]]) -> SimulatedCluster:
    world = SimulatedCluster(gpus=8)
    world.entities["languagemodels"]["tiny"] = language_model()
    for name, spec in specs.items():
        bounds = {key: value for key, value in spec.items() if key != "extra"}
        maximum = max(1, spec["minReplicas"] + spec["extra"])
        world.entities["modeldeployments"][name] = model_deployment(name, **bounds, maxReplicas=maximum)
    return world


def _run(world: SimulatedCluster, rounds: int = 6) -> None:
    for _ in range(rounds):
        world.execute(plan(world.observed(), world.desired(), world.now))
        world.settle()


def _bounds_hold(world: SimulatedCluster) -> None:
    entities = world.entities["modeldeployments"]
    seen: dict[str, int] = {}
    for name, live in world.kinds["Deployment"].items():
        assert DEPLOYMENT_NAME.fullmatch(name), name
        deployment = live["metadata"]["labels"].get("logits.ai/model-deployment")
        if deployment:
            seen[deployment] = live["spec"]["replicas"]
    for name, entity in entities.items():
        spec = entity["spec"]
        if not spec["enabled"]:
            assert name not in seen
        else:
            assert spec["minReplicas"] <= seen[name] <= spec["maxReplicas"]


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, SPECS, max_size=4), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9))))
def test_it_converges_within_bounds_and_then_rests(
    specs: dict[str, dict[str, Any]], loads: list[tuple[int, int]]
) -> None:
    world = _world(specs)
    for load in loads[:5]:
        world.entities["demands"] = {
            "logits-api-server-0": demand("logits-api-server-0", world.now, **dict.fromkeys(specs, load))
        }
        _run(world, 2)
        _bounds_hold(world)
        world.pass_time(20)
    _run(world)
    _bounds_hold(world)
    again = plan(world.observed(), world.desired(), world.now)
    assert again.explain() == ()


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(NAMES, SPECS, min_size=1, max_size=3),
    st.lists(st.sampled_from(["fresh", "stale", "twice", "old pods", "old entities"]), max_size=12),
)
def test_dropped_repeated_and_reordered_observations_end_in_the_same_place(
    specs: dict[str, dict[str, Any]], faults: list[str]
) -> None:
    calm, shaken = _world(specs), _world(specs)
    _run(calm, 8)
    history = [shaken.observed()]
    for fault in faults:
        fresh = shaken.observed()
        seen = _distorted(fault, fresh, history)
        history.append(fresh)
        decided = plan(seen, shaken.desired(), shaken.now)
        shaken.execute(decided)
        if fault == "twice":
            shaken.execute(decided)
        shaken.settle()
    _run(shaken, 8)
    assert _shape(shaken) == _shape(calm)
    assert plan(shaken.observed(), shaken.desired(), shaken.now).explain() == ()


def _distorted(fault: str, fresh: Observed, history: list[Observed]) -> Observed:
    old = history[len(history) // 2]
    if fault == "stale":
        return old
    parts = {name: getattr(fresh, name) for name in Observed.__slots__}
    if fault == "old pods":
        parts["pods"] = old.pods
    if fault == "old entities":
        parts |= {"llm_servers": old.llm_servers, "components": old.components, "services": old.services}
    return Observed(**parts)


def _shape(world: SimulatedCluster) -> dict[str, Any]:
    return {
        kind: {name: copy.deepcopy(item["spec"]) for name, item in objects.items()}
        for kind, objects in world.kinds.items()
        if kind != "Pod"
    }


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, SPECS, max_size=3), st.integers(2, 9))
def test_a_new_release_reaches_every_pod_and_nothing_else_changes(specs: dict[str, dict[str, Any]], build: int) -> None:
    world = _world(specs)
    _run(world)
    replicas = {name: live["spec"]["replicas"] for name, live in world.kinds["Deployment"].items()}
    world.release = release(build)
    _run(world)
    for name, live in world.kinds["Deployment"].items():
        assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f"{build:064x}")
        assert live["spec"]["replicas"] == replicas[name]


@settings(max_examples=40, deadline=None)
@given(st.sets(NAMES, min_size=2, max_size=20))
def test_no_two_models_share_a_deployment(names: set[str]) -> None:
    spec = {"enabled": True, "minReplicas": 1, "extra": 0, "scaleToZeroAfterSeconds": 1, "targetInFlight": 1}
    world = _world(dict.fromkeys(names, spec))
    _run(world, 1)
    ours = [name for name in world.kinds["Deployment"] if name.startswith("logits-llm-")]
    assert len(ours) == len(names)
