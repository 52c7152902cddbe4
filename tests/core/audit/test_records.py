"""Records: the shape of audit.k8s.io/v1, one line each, with no secret in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.audit import Act, Subject, canonical, concealed, event, is_canonical, keyed
from logits_core.audit.digests import without_tokens

KEY = b"k" * 32
SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=300)


@given(SECRET, st.integers(0, 3))
def test_no_secret_value_survives(secret: str, depth: int) -> None:
    manifest: dict[str, Any] = {
        "kind": "Secret",
        "data": {"key": secret},
        "stringData": {"key": secret},
        "metadata": {"annotations": {"last-applied": secret}, "managedFields": [{"x": secret}]},
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"env": [{"name": "LOGITS_KEY", "value": secret}, {"name": "B"}]}],
                }
            }
        },
    }
    value: Any = manifest
    for _ in range(depth):
        value = {"items": [value]}
    shown = json.dumps(concealed(value, KEY))
    assert secret not in shown
    assert keyed(KEY, secret) in shown
    assert "LOGITS_KEY" in shown


def test_names_and_images_stay_readable() -> None:
    spec = {"containers": [{"image": "a@sha256:1", "name": "b", "ratio": 0.5}], "replicas": 2}
    assert concealed(spec, KEY) == {
        "containers": [{"image": "a@sha256:1", "name": "b", "ratio": "0.5"}],
        "replicas": 2,
    }


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_record_is_one_line_whatever_the_request_said(uri: str, name: str) -> None:
    act = Act("id", 1.5, "get", uri, Subject("controller", name), reference={"name": name})
    line = canonical(event(act, "ResponseComplete", now=2.0, code=200))
    assert b"\n" not in line
    assert line.isascii()
    assert is_canonical(line)


TEXTS = st.text(max_size=12) | st.text(st.characters(max_codepoint=0x9F), max_size=12) | st.just("\ud800")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**62, 2**66) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_every_record_has_the_spelling_of_pythons_own_encoder(record: dict[str, Any]) -> None:
    assert canonical(record) == json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


@given(st.binary(max_size=60))
def test_what_is_no_record_is_told_from_one(torn: bytes) -> None:
    record = canonical({"a": 1, "b": "x"})
    assert is_canonical(record)
    assert not is_canonical(record[:-1])
    assert not is_canonical(bytes(len(record)))
    if is_canonical(torn):
        assert canonical(json.loads(torn)) == torn


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl",
        "ghp_abcdefghijklmnopqrstuvwx0123456789",
        "sk-proj-abcdefghijklmnop0123",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n",
    ],
)
def test_what_looks_like_a_token_is_a_digest(token: str) -> None:
    assert token not in without_tokens(f"/api/v1/x?labelSelector=a={token}", KEY)
    assert token not in json.dumps(concealed({"metadata": {"labels": {"a": token}}}, KEY))
    assert without_tokens("/api/v1/namespaces/logits/pods/logits-sky-7f9c", KEY).endswith("logits-sky-7f9c")


def test_the_shape_is_that_of_kubernetes() -> None:
    subject = Subject("controller", "system:serviceaccount:logits:logits-component", "pod-1", "uid-1")
    act = Act("id-1", 0.0, "patch", "/apis", subject, "10.0.0.1", {"resource": "deployments"}, {"rule": "r"}, {"a": 1})
    intent = event(act, "RequestReceived", now=1.0)
    outcome = event(act, "ResponseComplete", now=2.0, code=409, reason="Conflict", notes={"more": "x"})
    assert (intent["kind"], intent["apiVersion"], intent["level"]) == ("Event", "audit.k8s.io/v1", "Request")
    assert intent["requestObject"] == {"a": 1}
    assert "requestObject" not in outcome
    assert outcome["responseStatus"] == {"code": 409, "reason": "Conflict"}
    assert outcome["annotations"] == {
        "logits.ai/rule": "r",
        "logits.ai/more": "x",
        "logits.ai/caller": "controller",
    }
    assert outcome["stageTimestamp"] == "1970-01-01T00:00:02.000000Z"
    assert outcome["user"]["extra"]["authentication.kubernetes.io/pod-uid"] == ["uid-1"]
