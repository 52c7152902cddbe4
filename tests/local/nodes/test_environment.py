"""Containers get exactly the variables and paths that their spec asks for."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_local.nodes.environment import (
    ConfigError,
    Mount,
    environment,
    expand,
    field,
    real_paths,
    require_offered,
    secrets_of,
)
from logits_local.nodes.volumes import contents

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web", "a/b": "c"}},
    "spec": {"nodeName": "local", "serviceAccountName": "sa"},
}
MOUNTS = [Mount("/var/lib/logits", Path("/data/x")), Mount("/tmp", Path("/data/t")), Mount("/a", Path("/d"))]


def resolve(container: dict[str, Any], sources: dict[Any, Any] | None = None) -> dict[str, str]:
    return environment(container, POD, "127.100.0.1", sources or {}, start={"HOME": "/root"}, mounts=MOUNTS)


@pytest.mark.parametrize(
    ("value", "real"),
    [
        ("/var/lib/logits", "/data/x"),
        ("/var/lib/logits/db.sqlite", "/data/x/db.sqlite"),
        ("sqlite:////var/lib/logits/db", "sqlite:////data/x/db"),
        ("--dir=/tmp", "--dir=/data/t"),
        ("/usr/bin:/a/bin", "/usr/bin:/d/bin"),
        ("/var/lib/logits2", "/var/lib/logits2"),
        ("http://host/tmp", "http://host/tmp"),
        ("/opt/tmp", "/opt/tmp"),
        ("plain", "plain"),
    ],
)
def test_mounted_paths_become_real(value: str, real: str) -> None:
    assert real_paths(value, MOUNTS) == real


@given(st.text(max_size=40))
def test_values_without_a_mounted_path_stay(text: str) -> None:
    assert real_paths(text, [Mount("/never/mounted/here", Path("/x"))]) == text


def test_variables_expand_in_order() -> None:
    env = resolve(
        {
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)-$(MISSING)-$$(A)"},
                {"name": "C", "value": "/tmp/$(A)"},
            ]
        }
    )
    assert env == {"HOME": "/root", "A": "1", "B": "1-$(MISSING)-$(A)", "C": "/data/t/1"}


def test_references_are_resolved() -> None:
    container = {
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    }
    assert secrets_of(container) == {"s"}
    assert resolve(container, {"s": {"k": b"v"}}) == {"HOME": "/root", "IP": "127.100.0.1", "KEY": "v"}


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
        ({"secretKeyRef": {"name": "s", "key": "none"}}, "couldn't find key none in Secret s"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "isn't offered"),
        ({"fieldRef": {"fieldPath": "status.phase"}}, "isn't offered"),
    ],
)
def test_what_is_missing_is_named(reference: dict[str, Any], text: str) -> None:
    container = {"env": [{"name": "X", "valueFrom": reference}]}
    with pytest.raises(ConfigError, match=text):
        resolve(container, {"s": {"k": b"v"}, "none": None})


LEFT_OUT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"initContainers": [{"name": "i"}]}, {}, "initContainers"),
    ({"restartPolicy": "OnFailure"}, {}, "restartPolicy OnFailure"),
    ({}, {"envFrom": [{}]}, "envFrom"),
    ({}, {"livenessProbe": {"exec": {}}}, "livenessProbe without httpGet"),
    ({}, {"volumeMounts": [{"name": "v", "subPath": "s"}]}, "subPath"),
]


@pytest.mark.parametrize(("spec", "container", "text"), LEFT_OUT)
def test_nothing_is_left_out_in_silence(spec: dict[str, Any], container: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=f"not offered to pods here: {text}$"):
        require_offered({"spec": {"containers": [container], **spec}})


def test_secrets_are_decoded() -> None:
    assert contents({"kind": "Secret", "data": {"a": base64.b64encode(b"b").decode()}}) == {"a": b"b"}
    assert contents({"kind": "ConfigMap", "data": {"a": "b"}}) == {"a": b"b"}


@pytest.mark.parametrize(("path", "value"), [("metadata.name", "p"), ("spec.nodeName", "local")])
def test_fields(path: str, value: str) -> None:
    assert field(POD, "127.100.0.1", path) == value


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3))
def test_expansion_never_fails(text: str, variables: dict[str, str]) -> None:
    if "$" not in text:
        assert expand(text, variables) == text
    else:
        expand(text, variables)
