"""Ways out of a pod's boundaries, in every container and volume: denied by name, and nothing is created."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from attacks.catalogue import APPLY, APPS, JSON
from attacks.conftest import Attacker
from logits_shell.kubernetes import DEPLOYMENTS, KubernetesError
from simulators.gateway_site import NAMESPACE, image

pytestmark = pytest.mark.anyio
Change = Callable[[dict[str, Any]], None]
TARGET = f"{APPS}/deployments/logits-console?fieldManager=a&force=true"


def spec(**parts: Any) -> Change:
    return lambda template: template["spec"].update(parts)


def container(**parts: Any) -> Change:
    return lambda template: template["spec"]["containers"][0].update(parts)


def security(**parts: Any) -> Change:
    return lambda template: template["spec"]["containers"][0]["securityContext"].update(parts)


def another(group: str, **parts: Any) -> Change:
    """A further container of any kind that differs from the good one in one thing."""

    def change(template: dict[str, Any]) -> None:
        made = copy.deepcopy(template["spec"]["containers"][0]) | {"name": "more"} | parts
        template["spec"].setdefault(group, []).append(made)

    return change


def volume(**source: Any) -> Change:
    return lambda template: template["spec"].setdefault("volumes", []).append({"name": "more", **source})


def marks(place: str, key: str) -> Change:
    return lambda template: template["metadata"].setdefault(place, {}).update({key: "x"})


API_TOKEN = {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "kubernetes"}}]}}
DEFAULT_TOKEN = {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
SECRET_SOURCE = {"projected": {"sources": [{"secret": {"name": "logits-environment"}}]}}
FROM_SECRET = [{"name": "LOGITS_A", "valueFrom": {"secretKeyRef": {"name": "logits-environment", "key": "envKey"}}}]
EVIL = "docker.io/evil/evil@sha256:" + "0" * 64

WAYS: list[tuple[str, str, Change]] = [
    ("attack 2: the Gateway's account", "pod-identity", spec(serviceAccountName="logits-gateway")),
    ("attack 2: the old name of the account field", "pod-identity", spec(serviceAccount="logits-gateway")),
    ("attack 2: the default account", "pod-identity", spec(serviceAccountName="default")),
    ("attack 2: an API token by automount", "pod-identity", spec(automountServiceAccountToken=True)),
    ("attack 2: a projected token for the API server", "pod-volumes", volume(**API_TOKEN)),
    ("attack 2: a projected token for the default audience", "pod-volumes", volume(**DEFAULT_TOKEN)),
    ("attack 2: hostPath", "pod-host", volume(hostPath={"path": "/"})),
    ("attack 2: an unsigned image", "pod-image-signed", container(image=EVIL)),
    ("attack 2, Capsule GHSA-4qv9-xv9f-w5xh: an unsigned image in the second container only", "pod-image-signed",
     another("containers", image=EVIL)),
    ("attack 2: an unsigned image in an init container only", "pod-image-signed",
     another("initContainers", image=EVIL)),
    ("attack 2: an ephemeral container", "body-fields", another("ephemeralContainers")),
    ("attack 2: another component's signed image", "pod-image-signed",
     container(image=image("llm-server", "0.2.0"))),
    ("attack 2: the signed repository by another tag", "pod-image-signed",
     container(image="localhost/logits/console:latest")),
    ("attack 2: the Gateway's label, for its Service and its identity", "pod-component",
     lambda template: template["metadata"]["labels"].update({"logits.ai/component": "gateway"})),
    ("attack 2: the Controller's label", "pod-component",
     lambda template: template["metadata"]["labels"].update({"logits.ai/component": "controller"})),
    ("attack 3: a Secret as a volume", "pod-volumes", volume(secret={"secretName": "logits-environment"})),
    ("attack 3: the Ingress Proxy's Secret in another component's pod", "pod-volumes",
     volume(secret={"secretName": "logits-ingress"})),
    ("attack 3: a Secret in a projected volume", "pod-volumes", volume(**SECRET_SOURCE)),
    ("attack 3: a Secret in an environment variable of a logging pod", "pod-environment", container(env=FROM_SECRET)),
    ("GO-2023-1892, CVE-2024-3177: a Secret by envFrom", "pod-environment",
     container(envFrom=[{"secretRef": {"name": "logits-environment"}}])),
    ("CVE-2024-3177: a Secret by an init container's envFrom", "pod-environment",
     another("initContainers", envFrom=[{"secretRef": {"name": "a"}}])),
    ("the Gateway's volume with its keys", "pod-volumes",
     volume(persistentVolumeClaim={"claimName": "logits-gateway"})),
    ("a volume of a driver that reads secrets", "pod-volumes",
     volume(csi={"driver": "secrets-store.csi.k8s.io"})),
    ("another command", "pod-commands", container(command=["/bin/sh"])),
    ("other arguments", "pod-commands", container(args=["-c", "id"])),
    ("an exec probe", "pod-commands", container(livenessProbe={"exec": {"command": ["id"]}})),
    ("a hook", "pod-commands", container(lifecycle={"postStart": {"exec": {"command": ["id"]}}})),
    ("a preloaded library", "pod-environment", container(env=[{"name": "LD_PRELOAD", "value": "/tmp/a.so"}])),
    ("another interpreter path", "pod-environment", container(env=[{"name": "PYTHONPATH", "value": "/tmp"}])),
    ("privileged", "pod-restricted", security(privileged=True)),
    ("added capabilities", "pod-restricted", security(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
    ("privilege escalation", "pod-restricted", security(allowPrivilegeEscalation=True)),
    ("root", "pod-restricted", security(runAsUser=0)),
    ("an unmasked /proc", "pod-restricted", security(procMount="Unmasked")),
    ("a writable root file system", "pod-restricted", security(readOnlyRootFilesystem=False)),
    ("no seccomp", "pod-restricted", lambda template: template["spec"]["securityContext"].update(
        {"seccompProfile": {"type": "Unconfined"}})),
    ("the node's network", "pod-host", spec(hostNetwork=True)),
    ("the node's processes", "pod-host", spec(hostPID=True)),
    ("the node's IPC", "pod-host", spec(hostIPC=True)),
    ("a port of the node", "pod-host", container(ports=[{"containerPort": 8080, "hostPort": 8080}])),
    ("a chosen node", "pod-host", spec(nodeName="node-a")),
    ("names in /etc/hosts", "pod-host", spec(hostAliases=[{"ip": "1.1.1.1", "hostnames": ["logits-gateway"]}])),
    ("another name server (attack 13: data by DNS)", "body-fields", spec(dnsConfig={"nameservers": ["1.1.1.1"]})),
    ("another runtime", "body-fields", spec(runtimeClassName="privileged")),
    ("a priority that evicts others", "body-fields", spec(priorityClassName="system-node-critical")),
    ("a toleration that the customer didn't give", "pod-limits", spec(tolerations=[{"operator": "Exists"}])),
    ("attack 13: a cloud role by annotation", "foreign-marks", marks("annotations", "iam.amazonaws.com/role")),
    ("Capsule GHSA-wpv2-mpqq-vv52, GHSA-4qv9-xv9f-w5xh: a label that asks to be skipped", "foreign-marks",
     marks("labels", "admission.example/ignore")),
    ("attack 13: a mesh's exception by label", "foreign-marks", marks("labels", "sidecar.istio.io/inject")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "change"), [(rule, change) for _, rule, change in WAYS], ids=[w[0] for w in WAYS])
async def test_a_way_out_of_the_pod_is_shut(attacker: Attacker, rule: str, change: Change) -> None:
    body = json.dumps(attacker.workload(change)).encode()
    for method, target, content_type in (("PATCH", TARGET, APPLY), ("POST", f"{APPS}/deployments", JSON)):
        answer = await attacker.send(method, target, body, content_type=content_type)
        assert (answer.status, f"rule {rule}" in answer.document["message"]) == (403, True), answer.body
        record = attacker.record(answer)
        assert (record["annotations"]["logits.ai/rule"], record["annotations"]["logits.ai/decision"]) == (rule, "deny")
    with pytest.raises(KubernetesError):
        await attacker.site.admin.get(DEPLOYMENTS, "logits-console", namespace=NAMESPACE)


async def test_the_same_workload_without_an_attack_is_let_in(attacker: Attacker) -> None:
    body = json.dumps(attacker.workload()).encode()
    answer = await attacker.send("PATCH", TARGET + "&dryRun=All", body, content_type=APPLY)
    assert answer.status in (200, 201), answer.body
    assert attacker.record(answer)["annotations"]["logits.ai/decision"] == "allow"
