"""Requests are read in one way or refused; what goes upstream is rebuilt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import RequestInfo, parse

PODS = "/api/v1/namespaces/logits/pods"


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "resource", "name", "subresource"),
    [
        ("GET", PODS, "", "list", "pods", "", ""),
        ("GET", PODS, "watch=true", "watch", "pods", "", ""),
        ("GET", PODS, "watch=1", "watch", "pods", "", ""),
        ("GET", PODS, "watch=false", "list", "pods", "", ""),
        ("GET", PODS + "/a", "", "get", "pods", "a", ""),
        ("GET", PODS + "/a/log", "", "get", "pods", "a", "log"),
        ("POST", PODS, "", "create", "pods", "", ""),
        ("DELETE", PODS, "", "deletecollection", "pods", "", ""),
        ("DELETE", PODS + "/a", "", "delete", "pods", "a", ""),
        ("PATCH", "/apis/apps/v1/namespaces/logits/deployments/a", "force=true", "patch", "deployments", "a", ""),
        ("PUT", "/apis/apps/v1/namespaces/logits/deployments/a/scale", "", "update", "deployments", "a", "scale"),
        ("GET", "/api/v1/nodes", "", "list", "nodes", "", ""),
        ("GET", "/api/v1/namespaces", "", "list", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/logits", "", "get", "namespaces", "logits", ""),
        ("GET", "/version", "", "get", "", "", ""),
        ("GET", "/apis/apps/v1", "", "get", "", "", ""),
    ],
)
def test_plain_requests_are_read_as_the_api_server_reads_them(
    method: str, path: str, query: str, verb: str, resource: str, name: str, subresource: str
) -> None:
    info = parse(method, path, query)
    assert (info.verb, info.resource, info.name, info.subresource) == (verb, resource, name, subresource)
    assert info.path == path


@pytest.mark.parametrize(
    "path",
    [
        PODS + "/%2e%2e",
        "/api/v1//pods",
        "/api/v1/namespaces/logits/pods/",
        "/api/v1/namespaces/../pods",
        "/api/v1/namespaces/./pods",
        "/api/v1/watch/namespaces/logits/pods",
        "/api/v1/proxy/namespaces/logits/pods/a",
        "/api/v1/namespaces/logits/Pods",
        "/api/v1/namespaces/logits/pods;x",
        "/api/v1/namespaces/logits/pods\\a",
        "/api/v1/namespaces/logits/pods/a/exec/b",
        "/apis/v1/namespaces/logits/pods",
        "/apis/Apps/v1/namespaces/logits/deployments",
        "/api",
        "api/v1/pods",
        "/api/v1/namespaces/logits/pods/ä",
        "/api/v1/namespaces/logits/pods\x00",
        "/" + "a" * 600,
    ],
)
def test_odd_paths_are_refused(path: str) -> None:
    if path == "/api":
        assert parse("GET", path, "").resource == ""
        return
    with pytest.raises(LogitsError) as caught:
        parse("GET", path, "")
    assert caught.value.code in (ErrorCode.MALFORMED, ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("watch=TRUE", "watch"),
        ("watch=yes", "watch"),
        ("pretty=true", "pretty"),
        ("includeObject=Object", "includeObject"),
        ("limit=5&limit=6", "query"),
        ("limit", "query"),
        ("limit=-1", "limit"),
        ("labelSelector=a%00b", "labelSelector"),
        ("x=" + "a" * 5000, "query"),
    ],
)
def test_odd_queries_are_refused_and_named(query: str, field: str) -> None:
    with pytest.raises(LogitsError) as caught:
        parse("GET", PODS, query)
    assert (caught.value.code, caught.value.field) == (ErrorCode.MALFORMED, field)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "CONNECT", "TRACE", "get", ""])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(LogitsError) as caught:
        parse(method, PODS, "")
    assert caught.value.code is ErrorCode.METHOD_NOT_ALLOWED


def test_a_watch_ends_before_its_token() -> None:
    info = parse("GET", PODS, "watch=true&timeoutSeconds=3600")
    assert "timeoutSeconds=300" in info.upstream_target(seconds_left=4000)
    assert "timeoutSeconds=12" in info.upstream_target(seconds_left=12.7)
    assert "timeoutSeconds=300" in parse("GET", PODS, "watch=1").upstream_target(seconds_left=4000)


def test_writes_are_validated_strictly_whatever_the_caller_asks_for() -> None:
    info = parse("POST", PODS, "fieldValidation=Ignore")
    assert info.upstream_target(seconds_left=60) == PODS + "?fieldValidation=Strict"


@given(st.text(max_size=60), st.text(max_size=40), st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]))
def test_reading_is_total(path: str, query: str, method: str) -> None:
    try:
        parse(method, "/" + path, query)
    except LogitsError:
        return


SEGMENT = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True)


@given(SEGMENT, st.from_regex(r"[a-z]{1,9}", fullmatch=True), SEGMENT, st.sampled_from(["", "apps", "batch"]))
def test_what_is_rebuilt_reads_the_same(namespace: str, resource: str, name: str, group: str) -> None:
    root = f"/apis/{group}/v1" if group else "/api/v1"
    try:
        info = parse("GET", f"{root}/namespaces/{namespace}/{resource}/{name}", "")
    except LogitsError:
        return
    again = parse("GET", info.path, "")
    assert again == info
    assert isinstance(again, RequestInfo)
