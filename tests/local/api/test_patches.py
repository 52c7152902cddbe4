"""Patches: RFC 7396, RFC 6902 and strategic merge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_local.api.errors import StatusError
from logits_local.api.jsonpatch import json_patch
from logits_local.api.merge import merge_patch, strategic_merge
from logits_local.api.schema import FieldType, Schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)
POD = FieldType("struct", "PodSpec")
BASE: dict[str, Any] = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}, "list": [1, 2]}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}  # pyright: ignore[reportUnknownVariableType]
    return value


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_applied_twice_is_the_same(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(OBJECTS)
def test_a_merge_patch_onto_nothing_is_itself_without_nulls(patch: dict[str, Any]) -> None:
    assert merge_patch({}, patch) == without_nulls(patch)


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ({"op": "add", "path": "/list/-", "value": 3}, {"list": [1, 2, 3]}),
        ({"op": "add", "path": "/list/0", "value": 0}, {"list": [0, 1, 2]}),
        ({"op": "remove", "path": "/list/1"}, {"list": [1]}),
        ({"op": "move", "from": "/data", "path": "/moved"}, {"moved": {"a": "1"}, "data": None}),
        ({"op": "copy", "from": "/data/a", "path": "/data/b"}, {"data": {"a": "1", "b": "1"}}),
        ({"op": "replace", "path": "/data/a", "value": "2"}, {"data": {"a": "2"}}),
    ],
)
def test_json_patch_operations(operation: dict[str, Any], changed: dict[str, Any]) -> None:
    expected = {key: value for key, value in {**BASE, **changed}.items() if value is not None}
    assert json_patch(BASE, [operation]) == expected
    assert BASE["list"] == [1, 2]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "test", "path": "/data/a", "value": "2"},
        {"op": "fly", "path": "/data"},
        {"path": "/data"},
        {"op": "add", "path": "data", "value": 1},
        {"op": "replace", "path": "/list/9", "value": 1},
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(BASE, [operation])
    assert caught.value.http_status == 422


def test_strategic_merge_directives() -> None:
    schema = Schema.load()
    target: dict[str, Any] = {
        "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}],
        "containers": [{"name": "x", "args": ["1"], "env": [{"name": "A", "value": "1"}]}],
    }
    patch: dict[str, Any] = {
        "$setElementOrder/volumes": [{"name": "b"}],
        "volumes": [{"$patch": "delete", "name": "a"}, {"name": "b", "$retainKeys": ["name", "secret"], "secret": {}}],
        "containers": [{"name": "x", "args": ["2"], "env": [{"name": "B", "value": "2"}]}],
    }
    merged = strategic_merge(schema, target, patch, POD)
    assert merged["volumes"] == [{"name": "b", "secret": {}}]
    assert merged["containers"][0]["args"] == ["2"]
    assert [entry["name"] for entry in merged["containers"][0]["env"]] == ["A", "B"]
    with pytest.raises(StatusError):
        strategic_merge(schema, target, {"containers": [{"image": "no key"}]}, POD)
