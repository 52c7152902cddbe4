"""Manifests: the conventions of every pod, and the Gateway's own policy lets all of them in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logits_core.policy import Limits, admit, authorise, parse
from logits_core.reconcile import Apply, Customizations, plan
from logits_core.reconcile.drift import covers, quantity, same_manifest, with_fingerprint
from logits_core.reconcile.models import llm_deployment_name
from simulators.cluster_world import SimulatedCluster, image, language_model, model_deployment

PLURALS = {"Deployment": "deployments", "Service": "services", "PersistentVolumeClaim": "persistentvolumeclaims"}


def manifests() -> list[dict[str, Any]]:
    world = SimulatedCluster()
    world.entities["languagemodels"]["tiny"] = language_model()
    world.entities["modeldeployments"]["chat"] = model_deployment("chat_with.dots")
    decided = plan(world.observed(), world.desired(), world.now)
    return [step.manifest for step in decided.steps if isinstance(step, Apply)]


def test_the_gateway_lets_every_manifest_in() -> None:
    names = ("entity-db", "api-server", "console", "collector", "ingress-proxy", "llm-server")
    limits = Limits("logits", {name: frozenset({image(name)}) for name in names}, Customizations())
    for manifest in manifests():
        group = "/apis/apps/v1" if manifest["kind"] == "Deployment" else "/api/v1"
        metadata = manifest["metadata"]
        assert isinstance(metadata, dict)
        path = f"{group}/namespaces/logits/{PLURALS[str(manifest['kind'])]}/{metadata['name']}"
        request = parse("PATCH", path, "fieldManager=logits-controller&force=true")
        rule = authorise("controller", request, namespace="logits")
        body = json.dumps(manifest).encode()
        assert admit(rule, "controller", request, content_type="application/apply-patch+yaml", body=body, limits=limits)


def test_every_component_has_a_service_and_the_stores_a_volume() -> None:
    kinds = sorted((str(item["kind"]), item["metadata"]["name"]) for item in manifests())
    assert [name for kind, name in kinds if kind == "Service"] == [
        "logits-api-server",
        "logits-collector",
        "logits-console",
        "logits-entity-db",
        "logits-ingress-proxy",
    ]
    assert [name for kind, name in kinds if kind == "PersistentVolumeClaim"] == [
        "logits-collector",
        "logits-entity-db",
    ]


def test_names_are_valid_short_and_unique() -> None:
    assert llm_deployment_name("chat") == "logits-llm-chat"
    assert llm_deployment_name("a.b") != llm_deployment_name("a_b") != llm_deployment_name("a-b")
    assert len(llm_deployment_name("x" * 63)) <= 63


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}, True),
        ({"cpu": "0.01"}, {"cpu": "10m"}, True),
        ({"memory": "1Gi"}, {"memory": "1G"}, False),
        ({}, {"nodeSelector": {}, "tolerations": []}, True),
        ({"env": [{"name": "B"}, {"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1"}]}, True),
        ({"env": [{"name": "A", "value": "2"}]}, {"env": [{"name": "A", "value": "1"}]}, False),
        ({"drop": ["ALL"]}, {"drop": ["ALL"]}, True),
        ({"drop": []}, {"drop": ["ALL"]}, False),
    ],
)
def test_drift_is_what_was_asked_for_and_is_not_there(live: object, wanted: object, same: bool) -> None:
    assert covers(live, wanted) is same


def test_quantities() -> None:
    assert quantity("500m") == quantity("0.5")
    assert quantity("2Ki") == 2048
    assert quantity("word") is None
    assert quantity("NaN") is None


def test_a_fingerprint_tells_two_manifests_apart() -> None:
    one = with_fingerprint({"metadata": {"name": "x"}, "spec": {"a": 1}})
    other = with_fingerprint({"metadata": {"name": "x"}, "spec": {"a": 2}})
    assert same_manifest(one, one)
    assert not same_manifest(one, other)
