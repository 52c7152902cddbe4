"""Contract: lists are filtered, paged and shaped as clients ask."""

from __future__ import annotations

import pytest

from contracts.kubernetes.cluster import Cluster, Object, config_map, pod
from contracts.kubernetes.conftest import Namespace

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


def names(listed: Object) -> list[str]:
    """Names of the items that a test made."""
    return [item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"] != "kube-root-ca.crt"]


def labelled(name: str, **labels: str) -> Object:
    """A ConfigMap with labels."""
    body = config_map(name)
    body["metadata"]["labels"] = labels
    return body


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=web", ["a", "b"]),
        ("tier==web,env=prod", ["a"]),
        ("tier!=web", ["c", "d"]),
        ("tier in (web, db)", ["a", "b", "c"]),
        ("tier notin (web),tier", ["c"]),
        ("env", ["a"]),
        ("!tier", ["d"]),
    ],
)
def test_label_selectors(cluster: Cluster, ns: Namespace, selector: str, found: list[str]) -> None:
    for name, labels in {
        "a": {"tier": "web", "env": "prod"},
        "b": {"tier": "web"},
        "c": {"tier": "db"},
        "d": {},
    }.items():
        cluster.create(ns.core("configmaps"), labelled(name, **labels))
    assert names(cluster.get(ns.core("configmaps"), labelSelector=selector)) == found


def test_field_selectors(cluster: Cluster, ns: Namespace) -> None:
    for name in ("one", "two"):
        cluster.create(ns.core("pods"), pod(name))
    binding = {"metadata": {"name": "two"}, "target": {"kind": "Node", "name": "elsewhere"}}
    cluster.ok(cluster.admin.post(ns.core("pods", "two", "binding"), json=binding))
    pods = ns.core("pods")
    assert names(cluster.get(pods, fieldSelector="metadata.name=one")) == ["one"]
    assert names(cluster.get(pods, fieldSelector="spec.nodeName=elsewhere")) == ["two"]
    assert names(cluster.get(pods, fieldSelector="spec.nodeName!=elsewhere,status.phase=Pending")) == ["one"]
    everywhere = cluster.get("/api/v1/pods", fieldSelector=f"metadata.namespace={ns.name}")
    assert names(everywhere) == ["one", "two"]
    cluster.delete(ns.core("pods", "two"), {"gracePeriodSeconds": 0})


def test_pages_cover_everything_once(cluster: Cluster, ns: Namespace) -> None:
    made = [f"c{number}" for number in range(5)]
    for name in made:
        cluster.create(ns.core("configmaps"), labelled(name, page="yes"))
    seen: list[str] = []
    query = {"limit": "2", "labelSelector": "page=yes"}
    revisions: set[str] = set()
    while True:
        page = cluster.get(ns.core("configmaps"), **query)
        assert len(page["items"]) <= 2
        seen += names(page)
        revisions.add(page["metadata"]["resourceVersion"])
        if not page["metadata"].get("continue"):
            break
        query["continue"] = page["metadata"]["continue"]
    assert seen == made
    assert len(revisions) == 1


def test_a_list_is_a_list_of_its_kind(cluster: Cluster, ns: Namespace) -> None:
    listed = cluster.get(ns.core("configmaps"))
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()
    assert "kind" not in listed["items"][0]
    assert cluster.get(ns.apps("deployments"))["items"] == []


def test_a_table_has_the_columns_of_kubectl(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("pods"), pod("one"))
    table = cluster.ok(cluster.admin.get(ns.core("pods"), headers={"accept": TABLE}))
    assert table["kind"] == "Table"
    columns = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert columns == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:4] == ["one", "0/1", "Pending", "0"] or table["rows"][0]["cells"][3] == 0
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_metadata_alone_carries_no_content(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one", secret="canary"))
    response = cluster.admin.get(ns.core("configmaps"), headers={"accept": METADATA})
    assert response.json()["kind"] == "PartialObjectMetadataList"
    assert "canary" not in response.text


def test_a_version_that_is_yet_to_come_is_refused(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.admin.get(ns.core("configmaps"), params={"resourceVersion": "999999999"})
    assert (response.status_code, response.json()["reason"]) == (504, "Timeout")
    assert response.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
