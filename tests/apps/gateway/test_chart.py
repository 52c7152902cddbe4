"""The chart: exactly these permissions, settings that the Gateway knows, and manifests that are fresh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from logits_core.policy import DenialError
from logits_core.policy.authorise import check_protected
from logits_core.rollout import Controls
from logits_gateway.settings import Settings
from simulators.gateway_site import manifests

CHART = Path(__file__).parents[3] / "helm/gateway"
VALUES = {
    "envID": "123e4567-e89b-42d3-a456-426614174000",
    "envKey": "abcdefgh.ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
    "image": "localhost/logits/gateway@sha256:" + "a" * 64,
    "release.roots.images": "sha256:" + "b" * 64,
    "release.roots.director": "sha256:" + "c" * 64,
}
VARIABLES = ("ENV_ID", "ENV_KEY", "GATEWAY_IMAGE", "OPS_API_URL", "IMAGES_ROOT", "DIRECTOR_ROOT")


def rendered() -> list[dict[str, Any]]:
    return manifests({name: f"{name.lower()}-value" for name in VARIABLES})


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [found for found in rendered() if found["kind"] == kind]


def helm() -> str:
    found = os.environ.get("HELM") or shutil.which("helm")
    if not found:
        pytest.skip("helm is not on PATH and HELM doesn't name it")
    return found


READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")
GRANTED = {
    *(("Role", "", resource, verb)
      for resource in ("pods", "services", "configmaps", "persistentvolumeclaims") for verb in READ + WRITE),
    *(("Role", "apps", resource, verb) for resource in ("deployments", "replicasets") for verb in READ + WRITE),
    *(("Role", "", "secrets", verb) for verb in WRITE),
    *(("ClusterRole", "", "nodes", verb) for verb in READ),
}  # fmt: skip
"""Every permission there is. One more is a decision of the customer's security team, not of a chart's author."""
OPTIONS = (
    "admissionPolicy.enabled", "networkPolicy.enabled", "readOnly", "paused", "apiKeys.required", "ingress.tls"
)  # fmt: skip


def granted(objects: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """Kind of role, API group, resource and verb of each permission in a rendered chart."""
    rules = [(found["kind"], rule) for found in objects if "Role" in found["kind"] for rule in found.get("rules", [])]
    assert all(set(rule) == {"apiGroups", "resources", "verbs"} for _, rule in rules)
    return {
        (kind, group, resource, verb)
        for kind, rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_permissions_are_exactly_these() -> None:
    assert granted(rendered()) == GRANTED
    subjects = [binding["subjects"] for binding in of_kind("RoleBinding") + of_kind("ClusterRoleBinding")]
    assert subjects == [[{"kind": "ServiceAccount", "name": "logits-gateway", "namespace": "logits"}]] * 2


def test_no_option_of_the_chart_widens_the_permissions() -> None:
    done = template(VALUES | dict.fromkeys(OPTIONS, "true"), literal=OPTIONS)
    assert done.returncode == 0, done.stderr
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    assert granted(objects) == GRANTED
    roles = [(found["kind"], found["metadata"]["name"]) for found in objects if found["kind"].endswith("RoleBinding")]
    assert roles == [("ClusterRoleBinding", "logits-gateway-here"), ("RoleBinding", "logits-gateway")]
    accounts = {found["metadata"]["name"]: found for found in objects if found["kind"] == "ServiceAccount"}
    assert set(accounts) == {"logits-gateway", "logits-component"}
    assert accounts["logits-component"]["automountServiceAccountToken"] is False


def test_only_the_gateways_workload_runs_under_its_account() -> None:
    kinds = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "ReplicaSet"}
    workloads = [found for found in rendered() if found["kind"] in kinds]
    assert [(found["kind"], found["metadata"]["name"]) for found in workloads] == [("Deployment", "logits-gateway")]


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


def template(values: dict[str, str], literal: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    arguments = [f"--set{'' if key in literal else '-string'}={key}={value}" for key, value in values.items()]
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


def test_the_customers_release_controls_are_the_gateways_own_words() -> None:
    (limits,) = (found for found in rendered() if found["metadata"]["name"] == "logits-customizations")
    assert Controls.parse(limits["data"]["releases"]) == Controls()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("envID", "nonsense"),
        ("envKey", "short"),
        ("image", "localhost/logits/gateway:latest"),
        ("release.roots.images", "short"),
        ("release.roots.director", ""),
        ("release.pin", "latest"),
        ("release.freeze", "tomorrow"),
        ("release.windows[0].start", "2 am"),
        ("release.approval.keys[0]", "short"),
        ("opsApi.url", "ftp://x"),
        ("rolloutDeadlineSeconds", "soon"),
        ("unknown", "1"),
        ("admissionPolicy.enabled", "perhaps"),
        ("networkPolicy.egressPorts[0]", "https"),
        ("audit.heartbeatSeconds", "never"),
        ("audit.egressDays", "0"),
    ],
)
def test_bad_values_are_refused_by_name(key: str, value: str) -> None:
    done = template(VALUES | {key: value})
    assert done.returncode != 0
    assert key.partition("[")[0].partition(".")[0] in done.stderr


def test_the_outside_policies_are_off_unless_asked_for() -> None:
    kinds = {found["kind"] for found in rendered()}
    assert not kinds & {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "NetworkPolicy"}


def test_the_admission_policies_rule_every_kind_that_rbac_lets_the_gateway_write() -> None:
    done = template(VALUES | {"admissionPolicy.enabled": "true"}, literal=("admissionPolicy.enabled",))
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    made = {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "ValidatingAdmissionPolicy"}
    bound = [each["spec"] for each in found if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {binding["policyName"] for binding in bound} == set(made)
    assert all(binding["validationActions"] == ["Deny"] for binding in bound)
    assert all(policy["failurePolicy"] == "Fail" for policy in made.values())
    writes = made["logits-gateway-writes-here"]
    ruled = {resource for rule in writes["matchConstraints"]["resourceRules"] for resource in rule["resources"]}
    writable = {
        resource
        for role in of_kind("Role")
        for rule in role["rules"]
        if set(rule["verbs"]) & {"create", "update", "patch", "delete"}
        for resource in rule["resources"]
    }
    assert ruled == writable
    assert "SPEC" not in done.stdout


def test_the_network_policies_let_the_gateway_out_and_nobody_else() -> None:
    done = template(VALUES | {"networkPolicy.enabled": "true"}, literal=("networkPolicy.enabled",))
    assert done.returncode == 0, done.stderr
    found = [each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "NetworkPolicy"]
    gateway, components = (each["spec"] for each in found)
    assert gateway["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"][0]["port"] for rule in gateway["egress"]] == [53, 443]
    assert components["podSelector"]["matchExpressions"] == [
        {"key": "logits.ai/component", "operator": "NotIn", "values": ["gateway"]}
    ]
    for rule in components["egress"]:
        assert all("podSelector" in peer for peer in rule["to"]), "no address outside the cluster"


def test_every_object_of_the_chart_that_the_gateway_could_write_is_protected() -> None:
    plurals = {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Deployment": "deployments"}
    plurals["PersistentVolumeClaim"] = "persistentvolumeclaims"
    for found in rendered():
        if found["kind"] in plurals:
            with pytest.raises(DenialError):
                check_protected("controller", plurals[found["kind"]], found["metadata"]["name"])
