"""Deployments roll within their bounds, settle, and say how far they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.controllers.cluster_simulator import ClusterSimulator, deployment_manifest
from logits_local.controllers.objects import condition
from logits_local.controllers.strategy import rolling_bounds
from logits_local.controllers.template import REVISION, template_hash


def progressing(cluster: ClusterSimulator) -> dict[str, Any]:
    found = condition(cluster.deployment, "Progressing")
    assert found is not None
    return found


def test_a_new_deployment_gets_its_pods_and_its_status() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=3))
    cluster.settle()
    status = cluster.deployment["status"]
    assert cluster.images() == ["app:1"] * 3
    assert {key: status[key] for key in ("replicas", "readyReplicas", "updatedReplicas")} == {
        "replicas": 3,
        "readyReplicas": 3,
        "updatedReplicas": 3,
    }
    assert progressing(cluster)["reason"] == "NewReplicaSetAvailable"
    assert (condition(cluster.deployment, "Available") or {})["status"] == "True"


def test_pods_carry_the_template_hash_and_their_owner() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=1))
    cluster.settle()
    (replica_set,), (pod,) = cluster.replica_sets.values(), cluster.pods.values()
    assert pod["metadata"]["labels"]["pod-template-hash"] in replica_set["metadata"]["name"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]


def test_recreate_never_runs_two_versions_at_once() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=2, type="Recreate"))
    cluster.settle()
    cluster.roll_to("app:2")
    for _ in range(10):
        cluster.step()
        images = {pod["spec"]["containers"][0]["image"] for pod in cluster.pods.values()}
        assert len(images) <= 1
        for pod in list(cluster.pods.values()):
            cluster.advance(pod)
    assert cluster.images() == ["app:2", "app:2"]


def test_a_stuck_rollout_keeps_the_old_pods_and_passes_its_deadline() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=2))
    cluster.deployment["spec"]["progressDeadlineSeconds"] = 30
    cluster.settle()
    cluster.roll_to("app:broken")
    cluster.settle(ready=False)
    assert cluster.available() == 2
    wake_at = cluster.plan().wake_at
    assert wake_at is not None
    cluster.now = wake_at + timedelta(seconds=1)
    cluster.settle(ready=False)
    assert progressing(cluster)["reason"] == "ProgressDeadlineExceeded"
    assert progressing(cluster)["status"] == "False"
    assert cluster.available() == 2


def test_a_new_template_long_after_the_last_one_has_its_whole_deadline() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=1, type="Recreate"))
    cluster.settle()
    cluster.now += timedelta(hours=1)
    cluster.roll_to("app:2")
    for _ in range(5):
        cluster.step()
        assert progressing(cluster)["status"] == "True"
        for pod in list(cluster.pods.values()):
            cluster.finish_deletion(pod)


def test_rolling_back_reuses_the_old_replica_set_as_the_newest_revision() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=2))
    cluster.settle()
    cluster.roll_to("app:2")
    cluster.settle()
    cluster.roll_to("app:1")
    cluster.settle()
    assert cluster.images() == ["app:1", "app:1"]
    assert len(cluster.replica_sets) == 2
    revisions = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]: item["metadata"]["annotations"][REVISION]
        for item in cluster.replica_sets.values()
    }
    assert revisions == {"app:1": "3", "app:2": "2"}


def test_history_is_bounded() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=1))
    cluster.deployment["spec"]["revisionHistoryLimit"] = 2
    for number in range(6):
        cluster.roll_to(f"app:{number}")
        cluster.settle()
    assert len(cluster.replica_sets) == 3


def test_a_lost_pod_after_a_finished_rollout_starts_no_deadline() -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=1))
    cluster.settle()
    (pod,) = cluster.pods.values()
    cluster.make_ready(pod, False)
    cluster.settle(ready=False)
    assert progressing(cluster)["reason"] == "NewReplicaSetAvailable"
    assert cluster.plan().wake_at is None


@pytest.mark.parametrize(
    ("replicas", "strategy", "bounds"),
    [
        (4, {}, (1, 1)),
        (3, {}, (1, 0)),
        (1, {}, (1, 0)),
        (10, {"maxSurge": "35%", "maxUnavailable": "35%"}, (4, 3)),
        (5, {"maxSurge": 0, "maxUnavailable": 0}, (0, 1)),
        (5, {"maxSurge": 2, "maxUnavailable": 3}, (2, 3)),
    ],
)
def test_bounds_round_as_kubernetes_does(replicas: int, strategy: dict[str, Any], bounds: tuple[int, int]) -> None:
    manifest = deployment_manifest(replicas=replicas, type="RollingUpdate", rollingUpdate=strategy)
    assert rolling_bounds(manifest) == bounds


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_rollout_stays_within_its_bounds_and_settles(data: st.DataObject) -> None:
    replicas = data.draw(st.integers(1, 6))
    rolling = {
        "maxSurge": data.draw(st.integers(0, 3)),
        "maxUnavailable": data.draw(st.integers(0, 3)),
    }
    cluster = ClusterSimulator(deployment_manifest(replicas=replicas, type="RollingUpdate", rollingUpdate=rolling))
    cluster.settle()
    cluster.roll_to("app:2")
    surge, unavailable = rolling_bounds(cluster.deployment)
    for _ in range(data.draw(st.integers(1, 40))):
        cluster.step()
        assert len(cluster.living()) <= replicas + surge
        assert cluster.available() >= replicas - unavailable
        for pod in data.draw(st.lists(st.sampled_from(sorted(cluster.pods)), unique=True, max_size=4)):
            if pod in cluster.pods:
                cluster.advance(cluster.pods[pod])
    cluster.settle()
    assert cluster.images() == ["app:2"] * replicas
    assert not cluster.plan().steps


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_scaling_ends_at_the_last_size(sizes: list[int]) -> None:
    cluster = ClusterSimulator(deployment_manifest(replicas=2))
    for size in sizes:
        cluster.deployment["spec"]["replicas"] = size
        cluster.step()
    cluster.settle()
    assert len(cluster.living()) == sizes[-1]
    assert not cluster.plan().steps


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=4))
def test_the_template_hash_depends_on_content_alone(template: dict[str, int]) -> None:
    assert template_hash(template) == template_hash(dict(reversed(template.items())))
    assert template_hash(template) != template_hash({**template, "one more": 1})
