"""Contract: refusals are Status objects that name what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.kubernetes.cluster import Cluster, config_map, deployment, pod
from contracts.kubernetes.conftest import Namespace


def test_a_missing_object(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.get(ns.apps("deployments", "nope"))
    assert response.status_code == 404
    assert response.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_changing_a_missing_object(cluster: Cluster, ns: Namespace, method: str) -> None:
    headers = {"content-type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    content = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"nope"}}' if method != "DELETE" else ""
    response = cluster.admin.request(method, ns.core("configmaps", "nope"), content=content, headers=headers)
    assert (response.status_code, response.json()["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("path", ["/api/v1/nopes", "/apis/nope/v1/things", "/apis/apps/v2/deployments", "/nope"])
def test_a_path_that_is_not_there(cluster: Cluster, path: str) -> None:
    assert cluster.admin.get(path).status_code == 404


def test_a_missing_namespace(cluster: Cluster) -> None:
    response = cluster.admin.post("/api/v1/namespaces/nope-nope/configmaps", json=config_map("one"))
    assert response.status_code == 404
    assert response.json()["message"] == 'namespaces "nope-nope" not found'


def test_a_method_that_is_not_offered(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.post(ns.core("configmaps", "one"), json=config_map("one"))
    assert (response.status_code, response.json()["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("body", ['{"apiVersion":', "[1]", '"text"'])
def test_a_body_that_is_no_object(cluster: Cluster, ns: Namespace, body: str) -> None:
    headers = {"content-type": "application/json"}
    response = cluster.admin.post(ns.core("configmaps"), content=body, headers=headers)
    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")


def test_the_kind_must_fit_the_path(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.post(ns.core("configmaps"), json=config_map("one") | {"kind": "Secret"})
    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")


def test_the_name_must_fit_the_path(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    response = cluster.admin.put(ns.core("configmaps", "one"), json=config_map("two"))
    assert response.status_code == 400
    assert "does not match the name on the URL" in response.json()["message"]
    body = config_map("one")
    body["metadata"]["namespace"] = "default"
    assert cluster.admin.put(ns.core("configmaps", "one"), json=body).status_code == 400


def test_a_value_of_the_wrong_type(cluster: Cluster, ns: Namespace) -> None:
    body = deployment("web")
    body["spec"]["replicas"] = "two"
    response = cluster.admin.post(ns.apps("deployments"), json=body)
    assert (response.status_code, response.json()["reason"]) == (400, "BadRequest")
    assert "spec.replicas" in response.json()["message"]


def test_unknown_fields_are_refused_when_asked(cluster: Cluster, ns: Namespace) -> None:
    body: dict[str, Any] = {**config_map("one"), "daata": "x"}
    response = cluster.admin.post(ns.core("configmaps"), json=body, params={"fieldValidation": "Strict"})
    assert response.status_code == 400
    assert 'strict decoding error: unknown field "daata"' in response.json()["message"]
    assert cluster.admin.get(ns.core("configmaps", "one")).status_code == 404


def test_unknown_fields_are_dropped_with_a_warning(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.post(ns.core("configmaps"), json={**config_map("one"), "daata": "x"})
    assert response.status_code == 201
    assert response.headers["warning"] == '299 - "unknown field \\"daata\\""'
    assert "daata" not in response.json()


def nameless(body: dict[str, Any]) -> dict[str, Any]:
    """The same without a name."""
    del body["metadata"]["name"]
    return body


def with_containers(*containers: dict[str, Any]) -> dict[str, Any]:
    """A Pod with these containers."""
    return pod("one", containers=list(containers))


@pytest.mark.parametrize(
    ("plural", "body", "field", "reason"),
    [
        ("configmaps", nameless(config_map("x")), "metadata.name", "FieldValueRequired"),
        ("configmaps", config_map("X_"), "metadata.name", "FieldValueInvalid"),
        ("configmaps", config_map("one", **{"a b": "1"}), "data[a b]", "FieldValueInvalid"),
        ("pods", with_containers(), "spec.containers", "FieldValueRequired"),
        ("pods", with_containers({"name": "a"}), "spec.containers[0].image", "FieldValueRequired"),
        (
            "pods",
            with_containers({"name": "a", "image": "x"}, {"name": "a", "image": "x"}),
            "spec.containers[1].name",
            "FieldValueDuplicate",
        ),
        (
            "pods",
            with_containers({"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
            "spec.containers[0].volumeMounts[0].name",
            "FieldValueNotFound",
        ),
        ("services", {"metadata": {"name": "s"}, "spec": {}}, "spec.ports", "FieldValueRequired"),
    ],
)
def test_invalid_values_name_their_field(
    cluster: Cluster, ns: Namespace, plural: str, body: dict[str, Any], field: str, reason: str
) -> None:
    response = cluster.admin.post(ns.core(plural), json=body)
    assert (response.status_code, response.json()["reason"]) == (422, "Invalid")
    causes = {cause["field"]: cause["reason"] for cause in response.json()["details"]["causes"]}
    assert causes.get(field) == reason


def test_a_selector_must_match_the_template_and_stay(cluster: Cluster, ns: Namespace) -> None:
    body = deployment("web")
    body["spec"]["selector"]["matchLabels"] = {"app": "other"}
    response = cluster.admin.post(ns.apps("deployments"), json=body)
    assert response.json()["details"]["causes"][0]["field"] == "spec.template.metadata.labels"
    cluster.create(ns.apps("deployments"), deployment("web"))
    change = {"spec": {"selector": {"matchLabels": {"x": "y"}}, "template": {"metadata": {"labels": {"x": "y"}}}}}
    response = cluster.patch(ns.apps("deployments", "web"), change)
    assert (response.status_code, response.json()["details"]["causes"][0]["field"]) == (422, "spec.selector")


def test_a_body_of_an_unknown_type(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.post(ns.core("configmaps"), content="x", headers={"content-type": "text/plain"})
    assert (response.status_code, response.json()["reason"]) == (415, "UnsupportedMediaType")
    response = cluster.patch(ns.core("configmaps", "kube-root-ca.crt"), {}, "application/json")
    assert (response.status_code, response.json()["reason"]) == (415, "UnsupportedMediaType")


def test_selectors_that_cannot_be_read(cluster: Cluster, ns: Namespace) -> None:
    for query in ({"labelSelector": "a==="}, {"fieldSelector": "data.x=1"}, {"resourceVersion": "new"}):
        response = cluster.admin.get(ns.core("configmaps"), params=query)
        assert response.status_code in (400, 422), query


def test_too_large_a_body(cluster: Cluster, ns: Namespace) -> None:
    body = config_map("one", a="x" * (4 << 20))
    response = cluster.admin.post(ns.core("configmaps"), json=body)
    assert (response.status_code, response.json()["reason"]) == (413, "RequestEntityTooLarge")


def test_a_pod_of_a_missing_account(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.post(ns.core("pods"), json=pod("one", serviceAccountName="nope"))
    assert (response.status_code, response.json()["reason"]) == (403, "Forbidden")
    assert 'serviceaccount "nope" not found' in response.json()["message"]
