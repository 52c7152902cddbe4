"""Contract: objects are created, read, replaced and patched as on any Kubernetes."""

from __future__ import annotations

import pytest

from contracts.kubernetes.cluster import Cluster, config_map, deployment, pod
from contracts.kubernetes.conftest import Namespace


def test_creation_fills_in_the_metadata(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("configmaps"), config_map("one", a="1"))
    metadata = made["metadata"]
    assert made["kind"] == "ConfigMap"
    assert made["apiVersion"] == "v1"
    assert metadata["namespace"] == ns.name
    assert metadata["resourceVersion"].isdigit()
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert cluster.get(ns.core("configmaps", "one")) == made


def test_kind_and_version_may_be_left_out(cluster: Cluster, ns: Namespace) -> None:
    assert cluster.create(ns.core("configmaps"), {"metadata": {"name": "one"}})["kind"] == "ConfigMap"


def test_generated_names_are_unique(cluster: Cluster, ns: Namespace) -> None:
    body = {"metadata": {"generateName": "made-"}}
    names = {cluster.create(ns.core("configmaps"), body)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("made-") and len(name) == 10 for name in names)


def test_a_taken_name_is_refused(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    response = cluster.admin.post(ns.core("configmaps"), json=config_map("one"))
    assert response.status_code == 409
    assert response.json()["reason"] == "AlreadyExists"
    assert response.json()["details"] == {"name": "one", "kind": "configmaps"}


def test_replacing_with_a_stale_version_is_a_conflict(cluster: Cluster, ns: Namespace) -> None:
    first = cluster.create(ns.core("configmaps"), config_map("one", a="1"))
    path = ns.core("configmaps", "one")
    second = cluster.ok(cluster.admin.put(path, json=first | {"data": {"a": "2"}}))
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    response = cluster.admin.put(path, json=first | {"data": {"a": "3"}})
    assert response.status_code == 409
    assert response.json()["reason"] == "Conflict"
    assert cluster.get(path)["data"] == {"a": "2"}


def test_replacing_without_a_version_always_wins(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one", a="1"))
    replaced = cluster.ok(cluster.admin.put(ns.core("configmaps", "one"), json=config_map("one", b="2")))
    assert replaced["data"] == {"b": "2"}


def test_another_uid_is_a_conflict(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    body = config_map("one")
    body["metadata"]["uid"] = "11111111-1111-1111-1111-111111111111"
    assert cluster.admin.put(ns.core("configmaps", "one"), json=body).status_code == 409


def test_a_write_that_changes_nothing_makes_no_version(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("configmaps"), config_map("one", a="1"), fieldManager="m")
    path = ns.core("configmaps", "one")
    same = cluster.ok(cluster.admin.put(path, json=made, params={"fieldManager": "m"}))
    patched = cluster.ok(cluster.patch(path, {"data": {"a": "1"}}, fieldManager="m"))
    versions = {held["metadata"]["resourceVersion"] for held in (made, same, patched)}
    assert len(versions) == 1


def test_merge_patch_removes_by_null(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one", a="1", b="2"))
    patched = cluster.ok(cluster.patch(ns.core("configmaps", "one"), {"data": {"a": None, "c": "3"}}))
    assert patched["data"] == {"b": "2", "c": "3"}


def test_merge_patch_with_a_stale_version_is_a_conflict(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one", a="1"))
    body = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
    response = cluster.patch(ns.core("configmaps", "one"), body)
    assert (response.status_code, response.json()["reason"]) == (409, "Conflict")


def test_generation_counts_changes_of_the_specification_alone(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.apps("deployments"), deployment("web"))
    path = ns.apps("deployments", "web")
    assert made["metadata"]["generation"] == 1
    labelled = cluster.ok(cluster.patch(path, {"metadata": {"labels": {"a": "b"}}}))
    assert labelled["metadata"]["generation"] == 1
    changed = cluster.ok(cluster.patch(path, {"spec": {"paused": True}}))
    assert changed["metadata"]["generation"] == 2


def test_status_is_written_through_its_subresource_alone(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    path = ns.core("pods", "one")
    ignored = cluster.ok(cluster.patch(path, {"status": {"message": "x"}, "metadata": {"labels": {"a": "b"}}}))
    assert "message" not in ignored["status"]
    body = {"status": {"message": "x"}, "spec": {"terminationGracePeriodSeconds": 5}}
    written = cluster.ok(cluster.patch(path + "/status", body))
    assert written["status"]["message"] == "x"
    assert written["spec"]["terminationGracePeriodSeconds"] == 30
    assert written["metadata"]["generation"] == 1
    assert cluster.get(path + "/status")["status"]["message"] == "x"


def test_creation_ignores_the_status(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("pods"), pod("one") | {"status": {"phase": "Running"}})
    assert made["status"]["phase"] == "Pending"


def test_dry_run_answers_as_if_and_changes_nothing(cluster: Cluster, ns: Namespace) -> None:
    made = cluster.create(ns.core("configmaps"), config_map("one", a="1"), dryRun="All")
    assert made["metadata"]["uid"]
    assert cluster.admin.get(ns.core("configmaps", "one")).status_code == 404
    cluster.create(ns.core("configmaps"), config_map("one", a="1"))
    tried = cluster.ok(cluster.patch(ns.core("configmaps", "one"), {"data": {"a": "2"}}, dryRun="All"))
    assert tried["data"] == {"a": "2"}
    assert cluster.get(ns.core("configmaps", "one"))["data"] == {"a": "1"}
    cluster.ok(cluster.delete(ns.core("configmaps", "one"), dryRun="All"))
    assert cluster.get(ns.core("configmaps", "one"))["data"] == {"a": "1"}


def test_defaults_of_a_pod(cluster: Cluster, ns: Namespace) -> None:
    probe = {"httpGet": {"port": "http"}}
    container = {"name": "a", "image": "x", "ports": [{"containerPort": 1, "name": "http"}], "readinessProbe": probe}
    spec = cluster.create(ns.core("pods"), pod("one", containers=[container]))["spec"]
    held = spec["containers"][0]
    assert held["ports"][0]["protocol"] == "TCP"
    assert held["readinessProbe"] == {
        "httpGet": {"port": "http", "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert held["imagePullPolicy"] == "Always"
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")


def test_the_token_is_mounted_unless_it_is_not_wanted(cluster: Cluster, ns: Namespace) -> None:
    wanted = cluster.create(ns.core("pods"), pod("wanted"))["spec"]
    assert wanted["containers"][0]["volumeMounts"][0]["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    sources = wanted["volumes"][0]["projected"]["sources"]
    assert [next(iter(source)) for source in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]
    unwanted = cluster.create(ns.core("pods"), pod("unwanted", automountServiceAccountToken=False))["spec"]
    assert "volumes" not in unwanted


def test_defaults_of_a_deployment(cluster: Cluster, ns: Namespace) -> None:
    body = deployment("web")
    del body["spec"]["replicas"]
    body["spec"]["paused"] = True
    body["spec"]["template"]["spec"]["nodeSelector"] = {"contract.logits.ai/node": "nowhere"}
    spec = cluster.create(ns.apps("deployments"), body)["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_plain_text_of_a_secret_is_kept_as_data_alone(cluster: Cluster, ns: Namespace) -> None:
    body = {"metadata": {"name": "one"}, "data": {"a": "b2xk"}, "stringData": {"a": "new", "b": "text"}}
    made = cluster.create(ns.core("secrets"), body)
    assert made["type"] == "Opaque"
    assert made["data"] == {"a": "bmV3", "b": "dGV4dA=="}
    assert "stringData" not in cluster.get(ns.core("secrets", "one"))


def test_a_service_gets_an_address_that_stays(cluster: Cluster, ns: Namespace) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}
    first = cluster.create(ns.core("services"), body)["spec"]
    other = cluster.create(ns.core("services"), body | {"metadata": {"name": "other"}})["spec"]
    assert first["clusterIP"] != other["clusterIP"]
    assert first["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    replaced = cluster.ok(cluster.admin.put(ns.core("services", "web"), json=body))["spec"]
    assert replaced["clusterIP"] == first["clusterIP"]


def test_a_pod_is_bound_once(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    binding = {"metadata": {"name": "one"}, "target": {"kind": "Node", "name": "elsewhere"}}
    path = ns.core("pods", "one", "binding")
    assert cluster.admin.post(path, json=binding).status_code == 201
    bound = cluster.get(ns.core("pods", "one"))
    assert bound["spec"]["nodeName"] == "elsewhere"
    assert {"PodScheduled"} == {held["type"] for held in bound["status"]["conditions"]}
    again = cluster.admin.post(path, json=binding)
    assert (again.status_code, again.json()["reason"]) == (409, "Conflict")
    cluster.delete(ns.core("pods", "one"), {"gracePeriodSeconds": 0})


@pytest.mark.parametrize("field", ["nodeName", "hostNetwork"])
def test_a_pods_specification_is_fixed(cluster: Cluster, ns: Namespace, field: str) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    value = {"nodeName": "elsewhere", "hostNetwork": True}[field]
    response = cluster.patch(ns.core("pods", "one"), {"spec": {field: value}})
    assert (response.status_code, response.json()["reason"]) == (422, "Invalid")
    assert response.json()["details"]["causes"][0]["field"] == "spec"
