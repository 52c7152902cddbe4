"""The chart: exactly these permissions, settings that the Gateway knows, and manifests that are fresh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from logits_gateway.settings import Settings
from simulators.gateway_site import manifests

CHART = Path(__file__).parents[3] / "helm/gateway"
VALUES = {
    "envID": "123e4567-e89b-42d3-a456-426614174000",
    "envKey": "abcdefgh.ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
    "image": "localhost/logits/gateway@sha256:" + "a" * 64,
    "release.publicKeys[0]": "A" * 43 + "=",
}
VARIABLES = ("ENV_ID", "ENV_KEY", "GATEWAY_IMAGE", "OPS_API_URL", "RELEASE_PUBLIC_KEYS")


def rendered() -> list[dict[str, Any]]:
    return manifests({name: f"{name.lower()}-value" for name in VARIABLES})


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [found for found in rendered() if found["kind"] == kind]


def helm() -> str:
    found = os.environ.get("HELM") or shutil.which("helm")
    if not found:
        pytest.skip("helm is not on PATH and HELM doesn't name it")
    return found


def test_permissions_are_exactly_these() -> None:
    every = ["get", "list", "watch", "create", "update", "patch", "delete"]
    granted = {
        (rule["apiGroups"][0], resource): rule["verbs"]
        for role in of_kind("Role") + of_kind("ClusterRole")
        for rule in role["rules"]
        for resource in rule["resources"]
    }
    assert granted == {
        ("", "pods"): every,
        ("", "services"): every,
        ("", "configmaps"): every,
        ("", "persistentvolumeclaims"): every,
        ("apps", "deployments"): every,
        ("apps", "replicasets"): every,
        ("", "secrets"): ["create", "update", "patch", "delete"],
        ("", "nodes"): ["get", "list", "watch"],
    }
    subjects = [binding["subjects"] for binding in of_kind("RoleBinding") + of_kind("ClusterRoleBinding")]
    assert subjects == [[{"kind": "ServiceAccount", "name": "logits-gateway", "namespace": "logits"}]] * 2


def test_only_nodes_are_granted_across_the_cluster() -> None:
    (role,) = of_kind("ClusterRole")
    assert [rule["resources"] for rule in role["rules"]] == [["nodes"]]
    assert role["metadata"]["name"].endswith("-logits")


def test_the_gateway_is_alone_restricted_and_keeps_its_volume() -> None:
    (deployment,) = of_kind("Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (claim,) = of_kind("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_gateway_knows_every_setting_of_the_chart() -> None:
    (deployment,) = of_kind("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    names = [entry["name"] for entry in container["env"] if entry["name"].startswith("LOGITS_")]
    known = {"LOGITS_" + name.upper() for name in Settings.model_fields}
    assert set(names) <= known
    required = {"LOGITS_" + name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= set(names)


def test_the_key_stands_in_the_secret_alone() -> None:
    holders = [found["kind"] for found in rendered() if "env_key-value" in repr(found)]
    assert holders == ["Secret"]


def test_rendered_manifests_are_fresh() -> None:
    check = subprocess.run(
        [str(CHART.parent / "render"), "--check"],
        env={"HELM": helm(), "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stderr


def template(values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    arguments = [f"--set-string={key}={value}" for key, value in values.items()]
    return subprocess.run(
        [helm(), "template", "logits", str(CHART), "--namespace", "here", *arguments],
        capture_output=True,
        text=True,
    )


def test_the_chart_renders_into_any_namespace() -> None:
    done = template(VALUES)
    assert done.returncode == 0, done.stderr
    assert "namespace: logits\n" not in done.stdout
    assert "logits-gateway-here" in done.stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("envID", "nonsense"),
        ("envKey", "short"),
        ("image", "localhost/logits/gateway:latest"),
        ("release.publicKeys[0]", "short"),
        ("opsApi.url", "ftp://x"),
        ("rolloutDeadlineSeconds", "soon"),
        ("unknown", "1"),
    ],
)
def test_bad_values_are_refused_by_name(key: str, value: str) -> None:
    done = template(VALUES | {key: value})
    assert done.returncode != 0
    assert key.partition("[")[0].partition(".")[0] in done.stderr
