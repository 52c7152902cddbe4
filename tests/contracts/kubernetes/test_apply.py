"""Contract: server-side apply knows who owns which field."""

from __future__ import annotations

from typing import Any

from contracts.kubernetes.cluster import Cluster, config_map, deployment
from contracts.kubernetes.conftest import Namespace


def owners(value: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Managed fields by manager and operation."""
    entries = value["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


def test_applying_creates_and_then_changes(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    created = cluster.apply(path, config_map("one", a="1"), "m")
    assert created.status_code == 201
    changed = cluster.apply(path, config_map("one", a="2"), "m")
    assert changed.status_code == 200
    assert changed.json()["data"] == {"a": "2"}
    assert owners(changed.json()) == {("m", "Apply"): {"f:data": {"f:a": {}}}}


def test_applying_the_same_again_makes_no_version(cluster: Cluster, ns: Namespace) -> None:
    spec = {"selector": {"a": "b"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    path = ns.core("services", "web")
    first = cluster.ok(cluster.apply(path, body, "m"))
    second = cluster.ok(cluster.apply(path, body, "m"))
    assert second == first


def test_another_managers_field_is_a_conflict(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    cluster.ok(cluster.apply(path, config_map("one", a="1", b="1"), "first"))
    response = cluster.apply(path, config_map("one", a="2"), "second")
    body = response.json()
    assert (response.status_code, body["reason"]) == (409, "Conflict")
    assert body["message"] == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    assert body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".data.a"}
    ]
    assert cluster.get(path)["data"] == {"a": "1", "b": "1"}


def test_force_takes_the_field_over(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    cluster.ok(cluster.apply(path, config_map("one", a="1", b="1"), "first"))
    forced = cluster.ok(cluster.apply(path, config_map("one", a="2"), "second", force="true"))
    assert forced["data"] == {"a": "2", "b": "1"}
    assert owners(forced) == {
        ("first", "Apply"): {"f:data": {"f:b": {}}},
        ("second", "Apply"): {"f:data": {"f:a": {}}},
    }


def test_the_same_value_is_shared(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    cluster.ok(cluster.apply(path, config_map("one", a="1"), "first"))
    shared = cluster.ok(cluster.apply(path, config_map("one", a="1"), "second"))
    assert len(owners(shared)) == 2
    kept = cluster.ok(cluster.apply(path, config_map("one"), "first"))
    assert kept["data"] == {"a": "1"}
    gone = cluster.ok(cluster.apply(path, config_map("one"), "second"))
    assert "data" not in gone


def test_what_is_no_longer_applied_goes(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    cluster.ok(cluster.apply(path, config_map("one", a="1", b="1"), "m"))
    cluster.ok(cluster.patch(path, {"data": {"other": "1"}}, fieldManager="else"))
    left = cluster.ok(cluster.apply(path, config_map("one", a="1"), "m"))
    assert left["data"] == {"a": "1", "other": "1"}


def test_an_ordinary_write_takes_fields_over(cluster: Cluster, ns: Namespace) -> None:
    path = ns.core("configmaps", "one")
    cluster.ok(cluster.apply(path, config_map("one", a="1", b="1"), "m"))
    patched = cluster.ok(cluster.patch(path, {"data": {"a": "2"}}, fieldManager="editor"))
    assert owners(patched) == {
        ("m", "Apply"): {"f:data": {"f:b": {}}},
        ("editor", "Update"): {"f:data": {"f:a": {}}},
    }
    response = cluster.apply(path, config_map("one", a="1", b="1"), "m")
    assert response.status_code == 409
    assert response.json()["details"]["causes"][0]["message"] == 'conflict with "editor" using v1'


def test_list_items_are_told_apart_by_their_keys(cluster: Cluster, ns: Namespace) -> None:
    path = ns.apps("deployments", "web")
    variables = [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]
    main = {"name": "main", "image": "example.invalid/x:1", "env": variables, "ports": [{"containerPort": 80}]}
    cluster.ok(cluster.apply(path, deployment("web", main), "m"))
    side: dict[str, Any] = {"name": "side", "image": "example.invalid/y:1"}
    partial = deployment("web", side)
    added = cluster.ok(cluster.apply(path, partial, "other"))
    held = {container["name"]: container for container in added["spec"]["template"]["spec"]["containers"]}
    assert set(held) == {"main", "side"}
    fewer = deployment("web", {**main, "env": [{"name": "B", "value": "2"}], "ports": []})
    changed = cluster.ok(cluster.apply(path, fewer, "m"))
    held = {container["name"]: container for container in changed["spec"]["template"]["spec"]["containers"]}
    assert set(held) == {"main", "side"}
    assert held["main"]["env"] == [{"name": "B", "value": "2"}]
    assert "ports" not in held["main"]
    fields = owners(changed)[("m", "Apply")]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert fields == {
        'k:{"name":"main"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:env": {'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}},
        }
        | ({"f:ports": {}} if "f:ports" in fields['k:{"name":"main"}'] else {})
    }


def test_ports_are_keyed_with_their_default_protocol(cluster: Cluster, ns: Namespace) -> None:
    main = {"name": "main", "image": "example.invalid/x:1", "ports": [{"containerPort": 80}]}
    made = cluster.ok(cluster.apply(ns.apps("deployments", "web"), deployment("web", main), "m"))
    fields = owners(made)[("m", "Apply")]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    ports = fields['k:{"name":"main"}']["f:ports"]
    assert ports == {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}


def test_a_struct_that_is_no_longer_applied_goes_with_its_defaults(cluster: Cluster, ns: Namespace) -> None:
    path = ns.apps("deployments", "web")
    main = {"name": "main", "image": "example.invalid/x:1"}
    probed = {**main, "readinessProbe": {"tcpSocket": {"port": 80}}}
    cluster.ok(cluster.apply(path, deployment("web", probed), "m"))
    changed = cluster.ok(cluster.apply(path, deployment("web", main), "m"))
    assert "readinessProbe" not in changed["spec"]["template"]["spec"]["containers"][0]


def test_applied_order_of_containers_holds(cluster: Cluster, ns: Namespace) -> None:
    path = ns.apps("deployments", "web")
    a, b = ({"name": name, "image": "example.invalid/x:1"} for name in "ab")
    cluster.ok(cluster.apply(path, deployment("web", a, b), "m"))
    turned = cluster.ok(cluster.apply(path, deployment("web", b, a), "m"))
    held = [container["name"] for container in turned["spec"]["template"]["spec"]["containers"]]
    assert held == ["b", "a"]


def test_applying_a_status(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(
        ns.core("pods"),
        {
            "metadata": {"name": "one"},
            "spec": {"nodeSelector": {"a": "nowhere"}, "containers": [{"name": "a", "image": "x"}]},
        },
    )
    condition = {"type": "Ready", "status": "False", "reason": "Waiting"}
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}}
    applied = cluster.ok(
        cluster.apply(ns.core("pods", "one", "status"), {**head, "status": {"conditions": [condition]}}, "node")
    )
    ready = [held for held in applied["status"]["conditions"] if held["type"] == "Ready"]
    assert ready[0]["reason"] == "Waiting"
    entry = next(held for held in applied["metadata"]["managedFields"] if held["manager"] == "node")
    assert entry["subresource"] == "status"
    assert set(entry["fieldsV1"]) == {"f:status"}


def test_a_manager_must_be_named(cluster: Cluster, ns: Namespace) -> None:
    response = cluster.apply(ns.core("configmaps", "one"), config_map("one"), "")
    assert response.status_code == 422
    assert response.json()["details"]["causes"][0]["field"] == "fieldManager"


def test_managed_fields_are_not_applied(cluster: Cluster, ns: Namespace) -> None:
    body = config_map("one")
    body["metadata"]["managedFields"] = [{"manager": "x"}]
    assert cluster.apply(ns.core("configmaps", "one"), body, "m").status_code == 400


def test_unknown_fields_and_duplicate_items_are_refused(cluster: Cluster, ns: Namespace) -> None:
    body = deployment("web")
    body["spec"]["foo"] = 1
    unknown = cluster.apply(ns.apps("deployments", "web"), body, "m")
    assert unknown.status_code == 500
    assert unknown.json()["message"].endswith(".spec.foo: field not declared in schema")
    twice = [{"name": "a", "image": "x"}] * 2
    duplicate = cluster.apply(ns.apps("deployments", "web"), deployment("web", *twice), "m")
    assert duplicate.status_code == 500
    assert duplicate.json()["message"].endswith('.spec.template.spec.containers: duplicate entries for key [name="a"]')


def test_yaml_is_taken(cluster: Cluster, ns: Namespace) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: '1'\n"
    headers = {"content-type": "application/apply-patch+yaml"}
    path = ns.core("configmaps", "one")
    made = cluster.ok(cluster.admin.patch(path, content=text, headers=headers, params={"fieldManager": "m"}))
    assert made["data"] == {"a": "1"}
