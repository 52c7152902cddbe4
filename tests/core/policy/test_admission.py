"""Bodies: what the Controller really sends passes, and every known way out is shut and named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policy.sending import CUSTOMER, IMAGES, RELEASE, SITE, denied, model, plain, send
from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy.admission import JSON_TYPE, MERGE_TYPE
from logits_core.reconcile.components import component_objects
from logits_core.reconcile.manifests import Workload, deployment
from logits_core.reconcile.state import Ingress, Oidc


@pytest.mark.parametrize(
    "manifest", component_objects(RELEASE, SITE), ids=lambda m: f"{m['kind']}-{m['metadata']['name']}"
)
def test_everything_that_the_controller_deploys_passes(manifest: dict[str, Any]) -> None:
    assert json.loads(send(manifest).content) == manifest


@pytest.mark.parametrize("ingress", [Ingress(tls=True), Ingress("users"), Ingress("oidc", oidc=Oidc("https://i", "c"))])
def test_the_ingress_proxy_alone_reads_the_customers_secret(ingress: Ingress) -> None:
    site = replace(SITE, customizations=replace(CUSTOMER, ingress=ingress))
    for manifest in component_objects(RELEASE, site):
        send(manifest)
        if manifest["kind"] == "Deployment":
            volumes = manifest["spec"]["template"]["spec"]["volumes"]
            mounted = any(volume.get("secret") == {"secretName": "logits-ingress"} for volume in volumes)
            assert mounted == (manifest["metadata"]["name"] == "logits-ingress-proxy")


def test_model_deployments_pass() -> None:
    assert json.loads(send(model()).content) == model()


def _container(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        spec["containers"][0][path] = value

    return change


def _spec(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        spec[path] = value

    return change


def _volume(source: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        spec["volumes"].append({"name": "more", **source})

    return change


def _drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        del spec[path]

    return change


OTHER = {"name": "other", "image": "docker.io/library/busybox@sha256:" + "0" * 64}


def _second(group: str) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        second = {**copy.deepcopy(spec["containers"][0]), **OTHER}
        spec[group] = [*spec.get(group, []), second]

    return change


TOKEN = {"serviceAccountToken": {"audience": "https://kubernetes.default.svc", "path": "token"}}
SECURE = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("pod-image-signed", _container("image", "localhost/logits/llm-server:latest")),
        ("pod-image-signed", _container("image", IMAGES["console"])),
        ("pod-image-signed", _second("containers")),
        ("pod-image-signed", _second("initContainers")),
        ("body-fields", _second("ephemeralContainers")),
        ("pod-identity", _spec("serviceAccountName", "logits-gateway")),
        ("pod-identity", _spec("serviceAccountName", "default")),
        ("pod-identity", _spec("serviceAccount", "logits-gateway")),
        ("pod-identity", _spec("automountServiceAccountToken", True)),
        ("body-fields", _drop("automountServiceAccountToken")),
        ("body-fields", _drop("serviceAccountName")),
        ("body-fields", _drop("securityContext")),
        ("pod-host", _spec("hostNetwork", True)),
        ("pod-host", _spec("hostPID", True)),
        ("pod-host", _spec("hostIPC", True)),
        ("pod-host", _spec("nodeName", "node-a")),
        ("pod-host", _spec("hostAliases", [{"ip": "1.2.3.4", "hostnames": ["a"]}])),
        ("pod-host", _volume({"hostPath": {"path": "/"}})),
        ("pod-host", _container("ports", [{"containerPort": 8080, "hostPort": 8080}])),
        ("pod-volumes", _volume({"secret": {"secretName": "logits-environment"}})),
        ("pod-volumes", _volume({"secret": {"secretName": "logits-ingress"}})),
        ("pod-volumes", _volume({"csi": {"driver": "x"}})),
        ("pod-volumes", _volume({"projected": {"sources": [TOKEN]}})),
        ("pod-volumes", _volume({"projected": {"sources": [{"secret": {"name": "logits-environment"}}]}})),
        ("pod-volumes", _volume({"persistentVolumeClaim": {"claimName": "logits-gateway"}})),
        ("pod-environment", _container("env", [{"name": "PYTHONPATH", "value": "/tmp"}])),
        ("pod-environment", _container("env", [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}])),
        ("pod-environment", _container("envFrom", [{"secretRef": {"name": "logits-environment"}}])),
        (
            "pod-environment",
            _container(
                "env",
                [{"name": "LOGITS_A", "valueFrom": {"secretKeyRef": {"name": "logits-environment", "key": "envKey"}}}],
            ),
        ),
        ("pod-commands", _container("command", ["sh"])),
        ("pod-commands", _container("args", ["-c", "x"])),
        ("pod-commands", _container("lifecycle", {"preStop": {"exec": {"command": ["x"]}}})),
        ("pod-commands", _container("livenessProbe", {"exec": {"command": ["x"]}})),
        ("pod-restricted", _container("securityContext", {**SECURE, "privileged": True})),
        ("pod-restricted", _container("securityContext", {**SECURE, "allowPrivilegeEscalation": True})),
        (
            "pod-restricted",
            _container("securityContext", {**SECURE, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
        ),
        ("pod-restricted", _spec("securityContext", {"runAsNonRoot": True})),
        ("pod-restricted", _spec("securityContext", {"runAsUser": 0, "runAsNonRoot": True})),
        ("pod-limits", _spec("nodeSelector", {})),
        ("pod-limits", _spec("tolerations", [{"operator": "Exists"}])),
        ("body-fields", _container("image", None)),
        ("body-fields", _spec("containers", [])),
        ("body-fields", _spec("containers", None)),
        ("body-fields", _spec("imagePullSecrets", [{"name": "a"}])),
        ("body-fields", _spec("priorityClassName", "system-node-critical")),
    ],
)
def test_ways_out_of_a_pod_are_shut(rule: str, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = model()
    change(manifest["spec"]["template"]["spec"])
    assert denied(manifest).rule == rule


@pytest.mark.parametrize("label", ["gateway", "controller", "", "unknown"])
def test_nobody_gives_out_an_identity_above_its_own(label: str) -> None:
    manifest = model()
    manifest["spec"]["template"]["metadata"]["labels"]["logits.ai/component"] = label
    assert denied(manifest).rule == "pod-component"


def test_the_gateway_deploys_the_controller_and_nothing_else() -> None:
    workload = Workload(name="logits-controller", component="controller", image=IMAGES["controller"])
    controller = deployment(workload, SITE)
    assert send(controller, caller="gateway")
    controller["spec"]["template"]["metadata"]["labels"]["logits.ai/component"] = "console"
    assert denied(controller, caller="gateway").rule == "pod-component"


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_the_customers_labels_and_annotations_are_required(key: str) -> None:
    manifest = model()
    metadata = manifest["spec"]["template"]["metadata"]
    for name in (*CUSTOMER.labels, *CUSTOMER.annotations):
        metadata[key].pop(name, None)
    assert denied(manifest).rule == "pod-limits"


@pytest.mark.parametrize(
    "key", ["iam.amazonaws.com/role", "azure.workload.identity/use", "container.apparmor.security.beta.kubernetes.io/a"]
)
@pytest.mark.parametrize("place", ["annotations", "labels"])
def test_marks_that_steer_other_software_are_refused(place: str, key: str) -> None:
    manifest = model()
    manifest["spec"]["template"]["metadata"][place][key] = "x"
    assert denied(manifest).rule == "foreign-marks"
    service = plain("Service", spec={"ports": [{"port": 1}]})
    service["metadata"][place] = {key: "x"}
    assert denied(service).rule == "foreign-marks"


def test_a_toleration_for_gpus_needs_no_leave() -> None:
    manifest = model()
    manifest["spec"]["template"]["spec"]["tolerations"].append(
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    )
    assert send(manifest)


@given(st.data())
def test_a_field_that_the_tables_do_not_name_never_passes(data: st.DataObject) -> None:
    manifest = model()
    free = {"labels", "annotations", "matchLabels", "nodeSelector", "requests", "limits", "affinity"}

    def objects(value: Any, name: str) -> list[dict[str, Any]]:
        if isinstance(value, list):
            return [found for item in cast("list[Any]", value) for found in objects(item, name)]
        if not isinstance(value, dict) or name in free:
            return []
        members = cast("dict[str, Any]", value)
        return [members] + [found for key, item in members.items() for found in objects(item, key)]

    places = objects(manifest, "")
    place = data.draw(st.sampled_from(range(len(places))))
    name = data.draw(st.from_regex(r"x[a-zA-Z]{3,12}", fullmatch=True))
    places[place][name] = data.draw(st.one_of(st.booleans(), st.text(max_size=5), st.none()))
    assert denied(manifest)


@pytest.mark.parametrize(
    ("rule", "manifest"),
    [
        ("service-exposure", plain("Service", spec={"type": "NodePort", "ports": []})),
        ("service-exposure", plain("Service", spec={"type": "LoadBalancer", "ports": []})),
        ("service-exposure", plain("Service", spec={"externalIPs": ["1.2.3.4"], "ports": [{"port": 1}]})),
        ("service-exposure", plain("Service", spec={"type": "ExternalName", "externalName": "x", "ports": []})),
        ("secret-type", plain("Secret", type="kubernetes.io/service-account-token")),
        (
            "volume-source",
            plain(
                "PersistentVolumeClaim",
                spec={
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {},
                    "dataSource": {"kind": "PersistentVolumeClaim", "name": "logits-gateway"},
                },
            ),
        ),
        ("body-fields", plain("ConfigMap", metadata={"name": "logits-a", "finalizers": ["a/b"]})),
        (
            "owner-anchor",
            plain(
                "ConfigMap",
                metadata={
                    "name": "logits-a",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}],
                },
            ),
        ),
        ("body-identity", plain("ConfigMap", metadata={"name": "logits-a", "namespace": "kube-system"})),
        ("body-fields", plain("ConfigMap", metadata={"generateName": "logits-"})),
    ],
)
def test_other_kinds_have_their_tables_too(rule: str, manifest: dict[str, Any]) -> None:
    manifest["metadata"].setdefault("name", "logits-a")
    assert denied(manifest).rule == rule


def test_the_name_in_a_created_body_is_checked_like_one_in_a_path() -> None:
    how: dict[str, Any] = {"method": "POST", "content_type": JSON_TYPE}
    assert send(plain("ConfigMap", data={"a": "b"}), **how)
    assert denied(plain("ConfigMap", metadata={"name": "logits-customizations"}), **how).rule == ("protect-environment")
    assert denied(plain("ConfigMap", metadata={"name": "other"}), **how).rule == "controller-objects-write"


def test_the_name_and_kind_of_a_body_are_those_of_its_path() -> None:
    other = plain("ConfigMap", metadata={"name": "logits-b"})
    body = json.dumps(other).encode()
    assert denied(plain("ConfigMap"), body=body).rule == "body-identity"
    body = json.dumps(plain("Secret")).encode()
    assert denied(plain("ConfigMap"), body=body).rule == "body-identity"


@pytest.mark.parametrize(
    ("patch", "passes"),
    [
        ({"spec": {"replicas": 2}}, True),
        ({"metadata": {"annotations": {"logits.ai/a": "b"}}}, True),
        ({"spec": {"template": {"spec": {"hostNetwork": True}}}}, False),
        ({"spec": {"replicas": None}}, False),
        ({"metadata": {"ownerReferences": None}}, False),
        ({"metadata": {"finalizers": ["a/b"]}}, False),
    ],
)
def test_merge_patches_touch_replicas_and_metadata_only(patch: dict[str, Any], passes: bool) -> None:
    how: dict[str, Any] = {"content_type": MERGE_TYPE, "body": json.dumps(patch).encode()}
    if passes:
        assert send(model(), **how)
    else:
        assert denied(model(), **how).rule == "body-patch"


def test_secrets_are_not_merge_patched() -> None:
    assert denied(plain("Secret"), content_type=MERGE_TYPE, body=b"{}").rule == "body-patch"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"a":1,"a":2}', ErrorCode.MALFORMED),
        (b'{"a":NaN}', ErrorCode.MALFORMED),
        (b"[" * 100 + b"]" * 100, ErrorCode.MALFORMED),
        (b"kind: ConfigMap", ErrorCode.MALFORMED),
        (b'{"a":"\\ud800"}', ErrorCode.MALFORMED),
        (b"\xff", ErrorCode.MALFORMED),
        (b"", ErrorCode.MALFORMED),
        (b" " * (3 * 1024 * 1024 + 1), ErrorCode.TOO_LARGE),
    ],
)
def test_bodies_that_could_be_read_in_two_ways_are_refused(body: bytes, code: ErrorCode) -> None:
    with pytest.raises(LogitsError) as caught:
        send(plain("ConfigMap"), body=body)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "content_type",
    ["application/yaml", "application/json-patch+json", "application/strategic-merge-patch+json", "", JSON_TYPE],
)
def test_other_patches_are_refused(content_type: str) -> None:
    with pytest.raises(LogitsError) as caught:
        send(model(), content_type=content_type)
    assert caught.value.code is ErrorCode.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (b"", True),
        (b'{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}', True),
        (b'{"propagationPolicy":"Orphan"}', False),
    ],
)
def test_deletes_leave_no_orphans(options: bytes, passes: bool) -> None:
    how: dict[str, Any] = {"method": "DELETE", "content_type": JSON_TYPE, "body": options}
    if passes:
        send(model(), **how)
    else:
        assert denied(model(), **how).field == "propagationPolicy"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
)
def test_admission_is_total(value: Any) -> None:
    try:
        send(plain("ConfigMap"), body=json.dumps(value).encode())
    except LogitsError:
        return
