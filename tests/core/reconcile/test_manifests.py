"""Manifests: the conventions of every pod, and the Gateway's own policy lets all of them in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logits_core.policy import Limits, admit, authorise, parse
from logits_core.reconcile import Apply, Customizations, plan
from logits_core.reconcile.components import component_objects, ingress_settings
from logits_core.reconcile.drift import covers, quantity, same_manifest, with_fingerprint
from logits_core.reconcile.manifests import SECRET_DIRECTORY, Site
from logits_core.reconcile.models import llm_deployment_name
from logits_core.reconcile.state import Anchor, Ingress, Oidc, Release
from logits_ingress_proxy.settings import Settings as IngressSettings
from logits_shell.settings import from_env
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


@pytest.mark.parametrize("required", [True, False])
def test_the_customer_decides_whether_callers_need_keys(required: bool) -> None:
    customizations = Customizations.parse({"data": {"apiKeys": json.dumps({"required": required})}})
    site = Site("logits", Anchor("logits-anchor", "u"), customizations, "0.1.0", "IfNotPresent")
    release = Release("0.1.0", 1, {name: image(name) for name in ("api-server", "console")})
    for manifest in component_objects(release, site):
        if manifest["kind"] == "Deployment":
            container = manifest["spec"]["template"]["spec"]["containers"][0]
            env = {item["name"]: item.get("value") for item in container["env"]}
            wanted = "true" if required and manifest["metadata"]["name"] == "logits-api-server" else None
            assert env.get("LOGITS_KEYS_REQUIRED") == wanted


def test_without_a_word_in_the_chart_access_is_open() -> None:
    assert not Customizations.parse({"data": {}}).api_keys_required
    assert not Customizations.parse({"data": {"apiKeys": "{}"}}).api_keys_required


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        ({}, {}),
        ({"authentication": "none", "oidc": {"issuer": "https://i"}}, {}),
        ({"tls": True}, {"TLS_CERTIFICATE_FILE": "tls.crt", "TLS_KEY_FILE": "tls.key"}),
        (
            {"authentication": "users"},
            {"AUTHENTICATION": "users", "USERS_FILE": "users", "SESSION_KEY_FILE": "session-key"},
        ),
        (
            {
                "authentication": "oidc",
                "publicURL": "https://l",
                "oidc": {"issuer": "https://i", "clientID": "c", "clientSecret": True, "emailDomains": ["a", "b"]},
            },
            {
                "AUTHENTICATION": "oidc", "PUBLIC_URL": "https://l", "SESSION_KEY_FILE": "session-key",
                "OIDC_ISSUER": "https://i", "OIDC_CLIENT_ID": "c", "OIDC_EMAIL_DOMAINS": "a,b",
                "OIDC_CLIENT_SECRET_FILE": "oidc-client-secret",
            },
        ),
    ],
)  # fmt: skip
def test_the_customer_decides_about_the_door(value: dict[str, object], settings: dict[str, str]) -> None:
    customizations = Customizations.parse({"data": {"ingress": json.dumps(value)}})
    expected = {
        f"LOGITS_{name}": f"{SECRET_DIRECTORY}/{text}" if name.endswith("_FILE") else text
        for name, text in settings.items()
    }
    assert ingress_settings(customizations.ingress) == expected


def test_every_setting_of_the_door_is_one_that_the_ingress_proxy_has() -> None:
    everything = Ingress("oidc", tls=True, public_url="https://l", oidc=Oidc("https://i", "c", True, ("a",)))
    users = ingress_settings(Ingress("users"))
    settings = from_env(IngressSettings, {**ingress_settings(everything), **users})
    assert settings.users_file is not None
    assert settings.tls_key_file is not None
