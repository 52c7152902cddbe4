"""Submissions are checked strictly, and every refusal names its field."""

from __future__ import annotations

from typing import Any

import pytest

from logits_core.entities.changes import Verb
from logits_core.entities.kinds import KINDS, kind_of
from logits_core.entities.status import error_of, status_of
from logits_core.errors import ErrorCode, LogitsError
from simulators.entity_store import SimulatedEntityStore
from simulators.entity_writes import create, done, refused, write


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "metadata.name"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"name": 5}}, "metadata.name"),
        ({"metadata": {"name": "Not_Lower"}}, "metadata.name"),
        ({"metadata": {"name": "a" * 64}}, "metadata.name"),
        ({"metadata": {"name": "-a"}}, "metadata.name"),
        ({"metadata": {"name": "a", "colour": "red"}}, "metadata.colour"),
        ({"metadata": {"name": "a", "resourceVersion": "3"}}, "metadata.resourceVersion"),
        ({"metadata": {"name": "a", "labels": {"a b": "c"}}}, "metadata.labels"),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels.a"),
        ({"metadata": {"name": "a", "labels": {"a": "x" * 64}}}, "metadata.labels"),
        ({"metadata": {"name": "a", "annotations": {"a": "x" * 300_000}}}, "metadata.annotations"),
        ({"metadata": {"name": "a", "finalizers": ["x", "x"]}}, "metadata.finalizers"),
        ({"kind": "Demand", "metadata": {"name": "a"}}, "kind"),
        ({"metadata": {"name": "a"}, "specs": {}}, "specs"),
        ({"metadata": {"name": "a"}, "spec": "m"}, "spec"),
        ({"metadata": {"name": "a"}, "spec": {}}, "spec.model"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "maxReplica": 2}}, "spec.maxReplica"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "max_replicas": 2}}, "spec.max_replicas"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "maxReplicas": "2"}}, "spec.maxReplicas"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "maxReplicas": True}}, "spec.maxReplicas"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "minReplicas": 2}}, "spec.maxReplicas"),
        ({"metadata": {"name": "a"}, "spec": {"model": "m", "enabled": 1}}, "spec.enabled"),
    ],
)
def test_the_field_at_fault_is_named(body: dict[str, Any], field: str) -> None:
    error = refused(SimulatedEntityStore(), write(Verb.CREATE, "a", body))
    assert (error.code, error.field) == (ErrorCode.INVALID, field)
    assert field in error.message


def test_a_status_is_typed_where_known_and_open_elsewhere() -> None:
    store = SimulatedEntityStore()
    done(store, create("a"))
    error = refused(store, write(Verb.PATCH_STATUS, "a", {"status": {"readyReplicas": "1"}}))
    assert error.field == "status.readyReplicas"
    newer = done(store, write(Verb.PATCH_STATUS, "a", {"status": {"tomorrow": {"x": 1}, "stage": "Ready"}}))
    assert newer.status == {"tomorrow": {"x": 1}, "stage": "Ready"}


def test_an_entity_deleted_and_made_anew_is_another_one() -> None:
    store = SimulatedEntityStore()
    done(store, create("a"))
    body = {"metadata": {"uid": "another"}, "spec": {"enabled": True}}
    error = refused(store, write(Verb.PATCH, "a", body))
    assert (error.code, error.field) == (ErrorCode.CONFLICT, "metadata.uid")


def test_every_kind_has_schemas_and_an_unknown_one_is_answered_with_those() -> None:
    for kind in KINDS:
        schema = kind.schema()
        assert schema["spec"]["additionalProperties"] is False
        assert kind_of(kind.plural) is kind
    with pytest.raises(LogitsError) as error:
        kind_of("nope")
    assert all(kind.plural in error.value.message for kind in KINDS)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_refusals_survive_the_wire(code: ErrorCode) -> None:
    document = status_of(LogitsError(code, "why", field="spec.x", retry_after=3))
    assert document["code"] == LogitsError(code, "").status
    back = error_of(document)
    assert (back.message, back.field, back.retry_after) == ("why", "spec.x", 3)
    assert status_of(back)["reason"] == document["reason"]
