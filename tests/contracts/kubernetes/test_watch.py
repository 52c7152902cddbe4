"""Contract: a list and the watch after it miss nothing and repeat nothing."""

from __future__ import annotations

from contracts.kubernetes.cluster import Cluster, config_map
from contracts.kubernetes.conftest import Namespace


def test_a_watch_continues_where_the_list_ended(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("before"))
    revision = cluster.get(ns.core("configmaps"))["metadata"]["resourceVersion"]
    with cluster.watch(ns.core("configmaps"), resourceVersion=revision) as events:
        cluster.create(ns.core("configmaps"), config_map("one", a="1"))
        cluster.ok(cluster.patch(ns.core("configmaps", "one"), {"data": {"a": "2"}}))
        cluster.ok(cluster.delete(ns.core("configmaps", "one")))
        seen = [next(events) for _ in range(3)]
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [value["data"] for _, value in seen] == [{"a": "1"}, {"a": "2"}, {"a": "2"}]
    versions = [int(value["metadata"]["resourceVersion"]) for _, value in seen]
    assert versions == sorted(set(versions))
    assert min(versions) > int(revision)
    assert seen[0][1]["kind"] == "ConfigMap"


def test_a_watch_may_begin_in_the_past(cluster: Cluster, ns: Namespace) -> None:
    revision = cluster.get(ns.core("configmaps"))["metadata"]["resourceVersion"]
    for name in ("one", "two"):
        cluster.create(ns.core("configmaps"), config_map(name))
    with cluster.watch(ns.core("configmaps"), resourceVersion=revision) as events:
        assert [next(events)[1]["metadata"]["name"] for _ in range(2)] == ["one", "two"]


def test_a_watch_without_a_version_begins_with_what_exists(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    with cluster.watch(ns.core("configmaps"), fieldSelector="metadata.name=one") as events:
        kind, value = next(events)
    assert (kind, value["metadata"]["name"]) == ("ADDED", "one")


def test_entering_and_leaving_a_selection(cluster: Cluster, ns: Namespace) -> None:
    revision = cluster.get(ns.core("configmaps"))["metadata"]["resourceVersion"]
    path = ns.core("configmaps", "one")
    with cluster.watch(ns.core("configmaps"), resourceVersion=revision, labelSelector="a=b") as events:
        cluster.create(ns.core("configmaps"), config_map("one"))
        cluster.ok(cluster.patch(path, {"metadata": {"labels": {"a": "b"}}}))
        cluster.ok(cluster.patch(path, {"data": {"x": "y"}}))
        cluster.ok(cluster.patch(path, {"metadata": {"labels": {"a": "c"}}}))
        assert [next(events)[0] for _ in range(3)] == ["ADDED", "MODIFIED", "DELETED"]


def test_only_the_watched_namespace_is_seen(cluster: Cluster, ns: Namespace) -> None:
    revision = cluster.get(ns.core("configmaps"))["metadata"]["resourceVersion"]
    with cluster.watch(ns.core("configmaps"), resourceVersion=revision) as events:
        other = cluster.create("/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "elsewhere-"}})
        cluster.create(ns.core("configmaps"), config_map("here"))
        assert next(events)[1]["metadata"]["name"] == "here"
    cluster.delete(f"/api/v1/namespaces/default/configmaps/{other['metadata']['name']}")


def test_a_watch_ends_in_time_with_a_bookmark(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    listed = cluster.get(ns.core("configmaps"))["metadata"]["resourceVersion"]
    query = {"resourceVersion": listed, "timeoutSeconds": "4", "allowWatchBookmarks": "true"}
    with cluster.watch(ns.core("configmaps"), **query) as events:
        seen = list(events)
    assert {kind for kind, _ in seen} == {"BOOKMARK"}
    bookmark = seen[-1][1]
    assert int(bookmark["metadata"]["resourceVersion"]) >= int(listed)
    assert bookmark["kind"] == "ConfigMap"
    assert "data" not in bookmark


def test_initial_events_end_with_a_marked_bookmark(cluster: Cluster, ns: Namespace) -> None:
    cluster.create(ns.core("configmaps"), config_map("one"))
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "fieldSelector": "metadata.name=one",
    }
    with cluster.watch(ns.core("configmaps"), **query) as events:
        added, bookmark = next(events), next(events)
    assert (added[0], added[1]["metadata"]["name"]) == ("ADDED", "one")
    assert bookmark[0] == "BOOKMARK"
    assert bookmark[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
