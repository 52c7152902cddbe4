"""Sends bodies to the policy, as callers would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from logits_core.policy import DenialError, Limits, admit, authorise, parse
from logits_core.policy.admission import APPLY_TYPE
from logits_core.reconcile.manifests import Site, Workload, deployment
from logits_core.reconcile.state import Anchor, Customizations, Release

IMAGES = {
    component: f"localhost/logits/{component}@sha256:{index:064d}"
    for index, component in enumerate(
        ("controller", "collector", "console", "api-server", "llm-server", "entity-db", "ingress-proxy")
    )
}
CUSTOMER = Customizations(
    labels={"team": "research"},
    annotations={"note": "ours"},
    tolerations=({"key": "dedicated", "operator": "Exists"},),
    node_selector={"pool": "gpu"},
)
ANCHOR = Anchor("logits-anchor", "123e4567-e89b-42d3-a456-426614174000")
SITE = Site("logits", ANCHOR, CUSTOMER, "0.1.0", "IfNotPresent")
LIMITS = Limits("logits", {name: frozenset({ref}) for name, ref in IMAGES.items()}, CUSTOMER)
RELEASE = Release(version="0.1.0", counter=1, images=IMAGES)
PLURALS = {
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Service": ("/api/v1", "services"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
}


def send(
    manifest: dict[str, Any],
    *,
    caller: str = "controller",
    method: str = "PATCH",
    content_type: str = APPLY_TYPE,
    body: bytes | None = None,
    limits: Limits = LIMITS,
) -> Any:
    root, plural = PLURALS[manifest["kind"]]
    path = f"{root}/namespaces/logits/{plural}"
    if method != "POST":
        path += f"/{manifest['metadata']['name']}"
    request = parse(method, path, "")
    rule = authorise(caller, request, namespace="logits")
    content = body if body is not None else json.dumps(manifest).encode()
    return admit(rule, caller, request, content_type=content_type, body=content, limits=limits)


def denied(manifest: dict[str, Any], **how: Any) -> DenialError:
    with pytest.raises(DenialError) as caught:
        send(manifest, **how)
    return caught.value


def model() -> dict[str, Any]:
    workload = Workload(
        name="logits-llm-a", component="llm-server", image=IMAGES["llm-server"], gpus=1, gateway_token=True
    )
    return deployment(workload, SITE)


def plain(kind: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "logits-a"}, **parts}
