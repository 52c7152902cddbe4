"""The policy outside our code: with the Gateway bypassed and its own token stolen, the API server still denies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apps.gateway.test_chart import VALUES
from attacks.test_pods import API_TOKEN, container, security, spec, volume
from logits_core.reconcile.manifests import Site as ManifestSite
from logits_core.reconcile.manifests import Workload, deployment
from logits_core.reconcile.state import Anchor, Customizations
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, gateway_site, image, mint

pytestmark = [pytest.mark.anyio, pytest.mark.kubernetes]
CHART = Path(__file__).parents[2] / "helm/gateway"
CORE, APPS = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


@dataclass(frozen=True)
class Thief:
    """Somebody with the Gateway's own token, straight at the API server, and an administrator beside it."""

    http: httpx.AsyncClient
    admin: Callable[..., subprocess.CompletedProcess[str]]


def policies() -> str:
    """The admission policies as the chart renders them."""
    values = VALUES | {"admissionPolicy.enabled": "true", "image": image("gateway", "0.1.0")}
    sets = [f"--set={key}={value}" for key, value in values.items()]
    command = [os.environ.get("HELM") or "helm", "template", "logits", str(CHART), "--namespace", NAMESPACE, *sets]
    command += ["--show-only", "templates/admissionpolicy.yaml"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
async def thief(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Thief]:
    if len(CLUSTERS) < 2 or not shutil.which(os.environ.get("HELM") or "helm"):
        pytest.skip("needs a real cluster and helm")
    kubeconfig = os.environ[REAL]

    def admin(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--kubeconfig", kubeconfig, "--namespace", NAMESPACE, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    async with gateway_site(tmp_path_factory.mktemp("site"), kubeconfig=Path(kubeconfig)) as site:
        pod = await site.pod("logits-gateway-1", "gateway", account="logits-gateway")
        token = await mint(site.admin, pod, audience="https://kubernetes.default.svc.cluster.local")
        for name in ("customers", "logits-ingress"):
            admin("create", "secret", "generic", name, "--from-literal=a=canary")
        applied = admin("apply", "--filename", "-", text=policies())
        assert applied.returncode == 0, applied.stderr
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=site.cluster.url, verify=site.cluster.verify, headers=headers, trust_env=False, timeout=20
        ) as http:
            with anyio.fail_after(60):
                while (await http.patch(f"{CORE}/secrets/customers", content=b"{}", headers=_type(MERGE))).is_success:
                    await anyio.sleep(0.2)
            try:
                yield Thief(http, admin)
            finally:
                admin("delete", "--filename", "-", text=policies())


def _type(media_type: str) -> dict[str, str]:
    return {"content-type": media_type}


def workload(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    site = ManifestSite(NAMESPACE, Anchor("logits-anchor", "x" * 8), Customizations(), "0.1.0", "IfNotPresent")
    made = deployment(Workload(name="logits-stolen", component="console", image=image("console", "0.1.0")), site)
    del made["metadata"]["ownerReferences"]
    change(made["spec"]["template"])
    return made


def named(kind: str, name: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **parts}


def denied(answer: httpx.Response, words: str) -> None:
    assert answer.status_code in (403, 422), answer.text
    assert "ValidatingAdmissionPolicy" in answer.json()["message"]
    assert words in answer.json()["message"]
    assert "canary" not in answer.text


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
async def test_a_foreign_secret_is_not_read_by_writing(thief: Thief, query: str) -> None:
    denied(
        await thief.http.patch(f"{CORE}/secrets/customers{query}", content=b"{}", headers=_type(MERGE)),
        "objects of Logits only",
    )
    denied(
        await thief.http.patch(f"{CORE}/secrets/logits-environment{query}", content=b"{}", headers=_type(MERGE)),
        "by the customer only",
    )
    denied(await thief.http.delete(f"{CORE}/secrets/customers"), "objects of Logits only")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", f"{APPS}/deployments/logits-gateway", {"spec": {"replicas": 0}}),
        ("PATCH", f"{CORE}/configmaps/logits-customizations", {"data": {"nodeSelector": "{}"}}),
        ("PATCH", f"{CORE}/secrets/logits-ingress", {"stringData": {"users": "vendor:hash"}}),
        ("DELETE", f"{CORE}/services/logits-gateway", None),
        ("DELETE", f"{CORE}/persistentvolumeclaims/logits-gateway", None),
    ],
)
async def test_the_gateways_own_objects_stay(thief: Thief, method: str, path: str, body: Any) -> None:
    # Which of the policies speaks first is the API server's choice; each of them denies.
    denied(await thief.http.request(method, path, json=body, headers=_type(MERGE)), "")


async def test_a_secret_mints_no_token(thief: Thief) -> None:
    body = named("Secret", "logits-mint", type="kubernetes.io/service-account-token")
    body["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
    denied(await thief.http.post(f"{CORE}/secrets", json=body), "a type that mints no token")


async def test_pods_are_not_written_and_their_image_not_changed(thief: Thief) -> None:
    body = named("Pod", "logits-pod", spec={"containers": [{"name": "a", "image": image("console", "0.1.0")}]})
    denied(await thief.http.post(f"{CORE}/pods", json=body), "writes none")
    patch = {"spec": {"containers": [{"name": "main", "image": "evil"}]}}
    answer = await thief.http.patch(
        f"{CORE}/pods/logits-gateway-1", json=patch, headers=_type("application/strategic-merge-patch+json")
    )
    denied(answer, "")


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("account without permissions", spec(serviceAccountName="logits-gateway")),
        ("account without permissions", spec(serviceAccountName="default")),
        ("account without permissions", spec(automountServiceAccountToken=True)),
        ("share nothing with their node", spec(hostNetwork=True)),
        ("no host path", volume(hostPath={"path": "/"})),
        ("mount no Secret", volume(secret={"secretName": "logits-environment"})),
        ("mount no Secret", volume(secret={"secretName": "logits-ingress"})),
        ("no other token", volume(**API_TOKEN)),
        ("images by digest", container(image="evil:latest")),
        ("unprivileged", security(privileged=True, allowPrivilegeEscalation=True)),
    ],
)
async def test_templates_are_ruled_because_controllers_make_the_pods(
    thief: Thief, words: str, change: Callable[[dict[str, Any]], None]
) -> None:
    answer = await thief.http.post(f"{APPS}/deployments", json=workload(change))
    denied(answer, words)


async def test_a_service_claims_no_outside_address(thief: Thief) -> None:
    body = named("Service", "logits-out", spec={"ports": [{"port": 443}], "externalIPs": ["1.1.1.1"]})
    denied(await thief.http.post(f"{CORE}/services", json=body), "no outside address")


async def test_what_logits_really_deploys_passes(thief: Thief) -> None:
    good = await thief.http.post(f"{APPS}/deployments?dryRun=All", json=workload(lambda _: None))
    assert good.status_code == 201, good.text
    door = workload(volume(secret={"secretName": "logits-ingress"}))
    door["spec"]["template"]["metadata"]["labels"]["logits.ai/component"] = "ingress-proxy"
    door["spec"]["selector"]["matchLabels"] = door["spec"]["template"]["metadata"]["labels"]
    ingress = await thief.http.post(f"{APPS}/deployments?dryRun=All", json=door)
    assert ingress.status_code == 201, ingress.text
    config = await thief.http.post(f"{CORE}/configmaps?dryRun=All", json=named("ConfigMap", "logits-fine"))
    assert config.status_code == 201, config.text


async def test_nobody_runs_anything_else_under_the_gateways_account(thief: Thief) -> None:
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "other"},
        "spec": {"serviceAccountName": "logits-gateway", "containers": [{"name": "a", "image": "evil"}]},
    }
    refused = thief.admin("create", "--filename", "-", text=json.dumps(pod))
    assert refused.returncode != 0
    assert "only the Gateway's own image" in refused.stderr
    pod["spec"] = {"containers": [{"name": "a", "image": "the-customers-own"}], "nodeSelector": {"no": "where"}}
    allowed = thief.admin("create", "--dry-run=server", "--filename", "-", text=json.dumps(pod))
    assert allowed.returncode == 0, allowed.stderr
