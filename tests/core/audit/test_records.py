"""Records: the shape of audit.k8s.io/v1, one line each, with no secret in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logits_core.audit import Act, Head, Subject, concealed, event, keyed, link

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
    line = link(Head(), event(act, "ResponseComplete", now=2.0, code=200)).line()
    assert line.count(b"\n") == 1
    assert line.isascii()


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
