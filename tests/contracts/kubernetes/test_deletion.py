"""Contract: what goes away, when, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.kubernetes.cluster import Cluster, Object, config_map, pod
from contracts.kubernetes.conftest import Namespace


def owned(name: str, owner: Object, **reference: object) -> Object:
    """A ConfigMap that belongs to another."""
    body = config_map(name)
    link = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"]}
    body["metadata"]["ownerReferences"] = [{**link, "uid": owner["metadata"]["uid"], **reference}]
    return body


def gone(name: str) -> Callable[[list[Object]], bool]:
    """Whether no item has this name."""
    return lambda items: all(item["metadata"]["name"] != name for item in items)


def test_deletion_answers_with_a_status(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("configmaps"), config_map("one"))
    answer = cluster.ok(cluster.delete(ns.core("configmaps", "one")))
    assert answer["status"] == "Success"
    assert answer["details"] == {"name": "one", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert cluster.admin.get(ns.core("configmaps", "one")).status_code == 404


@pytest.mark.parametrize("precondition", [{"uid": "another"}, {"resourceVersion": "1"}])
def test_preconditions_are_kept(cluster: Cluster, ns: Namespace, precondition: Object) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    response = cluster.delete(ns.core("configmaps", "one"), {"preconditions": precondition})
    assert (response.status_code, response.json()["reason"]) == (409, "Conflict")
    assert cluster.get(ns.core("configmaps", "one"))


def test_a_finalizer_holds_the_object_back(cluster: Cluster, ns: Namespace) -> None:
    body = config_map("one")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.create(ns.core("configmaps"), body)
    cluster.ok(cluster.delete(ns.core("configmaps", "one")))
    held = cluster.get(ns.core("configmaps", "one"))
    assert held["metadata"]["deletionTimestamp"]
    cluster.ok(cluster.patch(ns.core("configmaps", "one"), {"metadata": {"finalizers": None}}))
    assert cluster.admin.get(ns.core("configmaps", "one")).status_code == 404


def test_dependents_go_with_their_owner_and_so_on(cluster: Cluster, ns: Namespace) -> None:
    owner = cluster.create(ns.core("configmaps"), config_map("owner"))
    child = cluster.create(ns.core("configmaps"), owned("child", owner))
    cluster.create(ns.core("configmaps"), owned("grandchild", child))
    cluster.create(ns.core("configmaps"), config_map("bystander"))
    cluster.ok(cluster.delete(ns.core("configmaps", "owner")))
    cluster.wait(ns.core("configmaps"), gone("grandchild"))
    assert cluster.admin.get(ns.core("configmaps", "child")).status_code == 404
    assert cluster.get(ns.core("configmaps", "bystander"))


def test_a_dependent_with_another_owner_stays(cluster: Cluster, ns: Namespace) -> None:
    first, second = (cluster.create(ns.core("configmaps"), config_map(name)) for name in ("first", "second"))
    body = owned("child", first)
    body["metadata"]["ownerReferences"] += owned("x", second)["metadata"]["ownerReferences"]
    cluster.create(ns.core("configmaps"), body)
    cluster.create(ns.core("configmaps"), owned("witness", first))
    cluster.ok(cluster.delete(ns.core("configmaps", "first")))
    cluster.wait(ns.core("configmaps"), gone("witness"))
    assert cluster.get(ns.core("configmaps", "child"))


def test_an_object_of_an_unknown_owner_is_collected(cluster: Cluster, ns: Namespace) -> None:
    owner = {"metadata": {"name": "never", "uid": "00000000-0000-0000-0000-000000000000"}}
    cluster.create(ns.core("configmaps"), owned("child", owner))
    cluster.wait(ns.core("configmaps"), gone("child"))


def test_an_unscheduled_pod_goes_at_once(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    answer = cluster.ok(cluster.delete(ns.core("pods", "one")))
    assert answer["kind"] == "Pod"
    assert cluster.admin.get(ns.core("pods", "one")).status_code == 404


def test_a_scheduled_pod_gets_its_grace(cluster: Cluster, ns: Namespace) -> None:
    # A pod of its own finalizer, so that no garbage collector of Pods without a node is faster.
    body = pod("one", terminationGracePeriodSeconds=20)
    body["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.create(ns.core("pods"), body)
    binding = {"metadata": {"name": "one"}, "target": {"kind": "Node", "name": "elsewhere"}}
    cluster.ok(cluster.admin.post(ns.core("pods", "one", "binding"), json=binding))
    answer = cluster.ok(cluster.delete(ns.core("pods", "one")))
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 20
    assert answer["metadata"]["deletionTimestamp"]
    ended = cluster.ok(cluster.delete(ns.core("pods", "one"), {"gracePeriodSeconds": 0}))
    assert ended["metadata"]["deletionGracePeriodSeconds"] == 0
    cluster.ok(cluster.patch(ns.core("pods", "one"), {"metadata": {"finalizers": None}}))
    cluster.wait(ns.core("pods"), gone("one"))


def test_a_namespace_takes_its_content_along(cluster: Cluster) -> None:
    made = cluster.create("/api/v1/namespaces", {"metadata": {"generateName": "contract-"}})
    name = made["metadata"]["name"]
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == name
    path = f"/api/v1/namespaces/{name}"
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    cluster.create(f"{path}/configmaps", held)
    answer = cluster.ok(cluster.delete(path))
    assert answer["status"]["phase"] == "Terminating"
    refused = cluster.admin.post(f"{path}/configmaps", json=config_map("late"))
    assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    cluster.wait(f"{path}/configmaps", lambda items: all("deletionTimestamp" in i["metadata"] for i in items))
    cluster.ok(cluster.patch(f"{path}/configmaps/held", {"metadata": {"finalizers": None}}))
    cluster.wait("/api/v1/namespaces", gone(name))
