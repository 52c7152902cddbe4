"""The door: what the policy allows reaches the API server, all else is denied, and all of it is recorded."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import logits_client.verify as verifier
from logits_core.reconcile.manifests import Site as ManifestSite
from logits_core.reconcile.manifests import Workload, deployment
from logits_core.reconcile.state import Anchor, Customizations
from logits_shell.kubernetes import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    SECRETS,
    KubernetesClient,
    KubernetesError,
    StaticToken,
)
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, Site, gateway_site, image

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.anyio
CORE = f"/kubernetes/api/v1/namespaces/{NAMESPACE}"
APPS = f"/kubernetes/apis/apps/v1/namespaces/{NAMESPACE}"
APPLY = {"content-type": "application/apply-patch+yaml"}


@pytest.fixture(params=CLUSTERS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Site, None]:
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    async with gateway_site(tmp_path, kubeconfig=kubeconfig) as found:
        found.ops.want(found.signed(1))
        await found.controller_runs(1)
        yield found


@pytest.fixture
async def controller(site: Site) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with await site.caller("controller") as client:
        yield client


async def console(site: Site, version: str = "0.1.0") -> dict[str, Any]:
    anchor = await site.admin.get(CONFIG_MAPS, "logits-anchor", namespace=NAMESPACE)
    place = ManifestSite(
        NAMESPACE, Anchor("logits-anchor", anchor["metadata"]["uid"]), Customizations(), version, "IfNotPresent"
    )
    workload = Workload(name="logits-console", component="console", image=image("console", version))
    return deployment(workload, place)


def events(site: Site) -> list[dict[str, Any]]:
    return [json.loads(line)["event"] for line in site.audit]


def refused(response: httpx.Response, code: int, rule: str = "") -> None:
    assert response.status_code == code, response.text
    document = response.json()
    assert (document["kind"], document["code"]) == ("Status", code)
    assert rule in document["message"]


async def replaced(client: KubernetesClient) -> dict[str, Any]:
    """Send a Deployment back as it was read; a controller may write in between."""
    while True:
        live = await client.get(DEPLOYMENTS, "logits-console", namespace=NAMESPACE)
        try:
            return await client.replace(DEPLOYMENTS, live)
        except KubernetesError as error:
            assert error.reason == "Conflict", error


async def test_the_shared_client_works_through_the_door(site: Site) -> None:
    pod = await site.pod("logits-controller-test", "controller")
    token = StaticToken(await site.token(pod))
    async with KubernetesClient(f"{site.url}/kubernetes", token) as client:
        manifest = await console(site)
        applied = await client.apply(DEPLOYMENTS, manifest, field_manager="logits-controller", force=True)
        assert applied["metadata"]["name"] == "logits-console"
        listing = await client.list(DEPLOYMENTS, namespace=NAMESPACE, label_selector="app.kubernetes.io/part-of=logits")
        names = [found["metadata"]["name"] for found in listing.items]
        assert names == ["logits-console", "logits-controller", "logits-gateway"]
        live = await replaced(client)
        await client.merge_patch(DEPLOYMENTS, "logits-console", {"spec": {"replicas": 2}}, namespace=NAMESPACE)
        await client.delete(DEPLOYMENTS, "logits-console", namespace=NAMESPACE, uid=live["metadata"]["uid"])
        with pytest.raises(KubernetesError) as caught:
            await client.get(DEPLOYMENTS, "logits-console", namespace=NAMESPACE)
        assert caught.value.http_status == 404


async def test_denials_name_their_rule_and_change_nothing(site: Site, controller: httpx.AsyncClient) -> None:
    evil = await console(site)
    evil["spec"]["template"]["spec"]["serviceAccountName"] = "logits-gateway"
    unsigned = await console(site, "9.9.9")
    cases = [
        (await controller.patch(f"{APPS}/deployments/logits-console", json=evil, headers=APPLY), "pod-identity"),
        (
            await controller.patch(f"{APPS}/deployments/logits-console", json=unsigned, headers=APPLY),
            "pod-image-signed",
        ),
        (await controller.delete(f"{APPS}/deployments/logits-gateway"), "protect-gateway"),
        (await controller.get(f"{CORE}/secrets/logits-environment"), "default-deny"),
        (await controller.get(f"{CORE}/pods/logits-controller-test/log"), "no-subresources"),
        (await controller.delete(f"{CORE}/secrets"), "no-deletecollection"),
        (await controller.get("/kubernetes/api/v1/namespaces/kube-system/pods"), "default-deny"),
    ]
    for response, rule in cases:
        refused(response, 403, rule)
    recorded = [found["annotations"].get("logits.ai/rule") for found in events(site)]
    assert {rule for _, rule in cases} <= set(recorded)
    with pytest.raises(KubernetesError):
        await site.admin.get(DEPLOYMENTS, "logits-console", namespace=NAMESPACE)


async def test_malformed_requests_get_a_status_too(controller: httpx.AsyncClient) -> None:
    pods = f"{CORE}/pods"
    refused(await controller.get(f"{pods}/%2e%2e"), 400)
    refused(await controller.get("/kubernetes/api/v1//pods"), 400)
    refused(await controller.get(f"{pods}?pretty=true"), 400, "pretty")
    refused(await controller.get("/kubernetes"), 400)
    refused(await controller.get("/kubernetes/metrics"), 404)
    refused(await controller.get("/nothing"), 404)
    refused(await controller.request("OPTIONS", pods), 405)
    refused(await controller.get(pods, headers={"Impersonate-User": "admin"}), 400, "impersonate-user")
    refused(await controller.get(pods, headers={"Connection": "Impersonate-User"}), 400, "connection")
    refused(await controller.get(pods, headers={"Upgrade": "websocket"}), 400, "upgrade")
    refused(await controller.patch(f"{CORE}/configmaps/logits-a", content=b"{", headers=APPLY), 400)
    double = b'{"kind":"ConfigMap","kind":"Secret"}'
    refused(await controller.patch(f"{CORE}/configmaps/logits-a", content=double, headers=APPLY), 400, "kind")
    large = b" " * (3 * 1024 * 1024 + 1)
    refused(await controller.patch(f"{CORE}/configmaps/logits-a", content=large, headers=APPLY), 413)
    refused(
        await controller.patch(
            f"{CORE}/configmaps/logits-a", content=b"[]", headers={"content-type": "application/json-patch+json"}
        ),
        415,
    )
    refused(await controller.get("/status?x=1", headers={"X-Remote-User": "a"}), 400)


async def test_no_verb_returns_the_content_of_a_secret(site: Site, controller: httpx.AsyncClient) -> None:
    canary = base64.b64encode(b"secret-canary").decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "logits-a"}, "data": {"key": canary}}
    url = f"{CORE}/secrets/logits-a"
    answers = [await controller.post(f"{CORE}/secrets", json=secret | {"type": "Opaque"})]
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "logits-a"}}
    answers.append(await controller.patch(f"{url}?fieldManager=a", json=empty, headers=APPLY))
    answers.append(await controller.patch(f"{url}?fieldManager=a&dryRun=All", json=empty, headers=APPLY))
    answers.append(await controller.put(url, json=secret | {"type": "Opaque"}))
    merge = {"content-type": "application/merge-patch+json"}
    answers.append(await controller.patch(url, json={}, headers=merge))
    answers.append(await controller.get(url))
    answers.append(await controller.delete(url))
    assert answers[0].status_code == 201
    assert answers[0].json()["kind"] == "PartialObjectMetadata"
    assert [answer.status_code for answer in answers[1:4]] == [200, 200, 200]
    for answer in answers:
        assert canary not in answer.text
        assert "secret-canary" not in answer.text
    assert canary.encode() not in b"".join(site.audit)
    with pytest.raises(KubernetesError):
        await site.admin.get(SECRETS, "logits-a", namespace=NAMESPACE)


async def test_mutations_are_recorded_before_and_after(site: Site, controller: httpx.AsyncClient) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-a"}, "data": {"a": "canary-b"}}
    response = await controller.post(f"{CORE}/configmaps", json=config)
    assert response.status_code == 201
    mine = [found for found in events(site) if found.get("objectRef", {}).get("name") == "logits-a"]
    assert [found["stage"] for found in mine] == ["RequestReceived", "ResponseComplete"]
    intent, outcome = mine
    assert intent["auditID"] == outcome["auditID"]
    assert intent["verb"] == "create"
    assert intent["annotations"]["logits.ai/rule"] == "controller-objects-write"
    assert intent["requestObject"]["data"]["a"].startswith("hmac-sha256:")
    assert outcome["responseStatus"]["code"] == 201
    assert intent["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["logits-controller-test"]
    index, leaf, _ = receipt_of(response)
    line: dict[str, Any] = json.loads(site.audit[int(index)])
    assert (line["index"], line["event"]) == (int(index), outcome)
    assert base64.b64decode(leaf).hex() == line["leaf"]
    assert site.verified().problem == ""


def receipt_of(response: httpx.Response) -> tuple[str, str, str]:
    """Index, leaf and signature of an answer's receipt."""
    found = re.fullmatch(r"index=(\d+), leaf=:(.+):, signature=:(.+):", response.headers["x-audit-receipt"])
    assert found is not None
    return found[1], found[2], found[3]


async def test_the_console_reads_the_log_by_index(site: Site) -> None:
    async with await site.caller("console") as client:
        first = (await client.get("/audit/entries?limit=3")).json()
        assert [entry["index"] for entry in first["entries"]] == [0, 1, 2]
        assert first["size"] >= 3
        rest = (await client.get(f"/audit/entries?after={first['size'] - 1}")).json()
        assert rest["entries"][0]["index"] == first["size"] - 1
        await _reads_logs(site, client)
        refused(await client.get("/audit/entries?limit=0"), 400)
        refused(await client.get("/audit/entries?after=x"), 400)
        refused(await client.get(f"{CORE}/pods"), 403, "default-deny")
        status = (await client.get("/status")).json()
        assert status["release"]["desired"] == {"version": "0.1.0", "counter": 1}
    async with await site.caller("collector") as collector:
        refused(await collector.get("/audit/entries"), 403, "console-audit-read")
        assert (await collector.get(f"{CORE}/pods")).status_code == 200


async def _reads_logs(site: Site, client: httpx.AsyncClient) -> None:
    (log,) = (await client.get("/audit/logs")).json()["logs"]
    assert log["key"] == site.log_key()
    note = (await client.get(f"{log['prefix']}/checkpoint")).text
    checkpoint = verifier.read_checkpoint(note)
    width = checkpoint.size % 256
    bundle = await client.get(f"{log['prefix']}/{verifier.tile_path(checkpoint.size // 256, width)}")
    entries = verifier.split_bundle(bundle.content, width)
    report = verifier.verify(checkpoint, entries, verifier.Trust(verifier.read_key(log["key"])))
    assert (report.problem, report.size) == ("", checkpoint.size)
    refused(await client.get(f"{log['prefix']}/tile/entries/999"), 404)
    refused(await client.get("/audit/log/0002/tile/entries/000"), 404)
    refused(await client.get(f"{log['prefix']}/lost"), 404)


async def test_watches_stream_at_once_and_leave_when_the_client_does(site: Site, controller: httpx.AsyncClient) -> None:
    listing = (await controller.get(f"{CORE}/pods")).json()
    version = listing["metadata"]["resourceVersion"]
    url = f"{CORE}/pods?watch=true&resourceVersion={version}"
    async with controller.stream("GET", url) as response:
        assert response.status_code == 200
        await site.pod("logits-new", "console")
        with anyio.fail_after(10):
            async for line in response.aiter_lines():
                event = json.loads(line)
                if event["object"]["metadata"]["name"] == "logits-new":
                    break
    await ended(site, "client")


async def ended(site: Site, how: str) -> None:
    with anyio.fail_after(10):
        while True:
            found = [e for e in events(site) if e["annotations"].get("logits.ai/ended") == how]
            if any(e["annotations"]["logits.ai/caller"] == "controller" for e in found):
                return
            await anyio.sleep(0.01)


async def test_customer_limits_are_enforced_as_soon_as_they_change(site: Site, controller: httpx.AsyncClient) -> None:
    limits = {"data": {"nodeSelector": '{"pool":"gpu"}'}}
    await site.admin.merge_patch(CONFIG_MAPS, "logits-customizations", limits, namespace=NAMESPACE)
    manifest = await console(site)
    url = f"{APPS}/deployments/logits-console?fieldManager=a&force=true"
    with anyio.fail_after(10):
        while (response := await controller.patch(url, json=manifest, headers=APPLY)).status_code != 403:
            pass
    refused(response, 403, "pod-limits")
    manifest["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "gpu"}
    assert (await controller.patch(url, json=manifest, headers=APPLY)).is_success
    live = await site.controller()
    assert live["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "gpu"}


async def test_pods_can_be_restarted_but_not_the_gateways(site: Site, controller: httpx.AsyncClient) -> None:
    await site.pod("logits-console-1", "console")
    deleted = await controller.delete(f"{CORE}/pods/logits-console-1")
    assert deleted.status_code == 200, deleted.text
    refused(await controller.delete(f"{CORE}/pods/logits-gateway-0"), 403, "protect-gateway")
    assert await site.admin.get(PODS, "logits-gateway-0", namespace=NAMESPACE)


async def _set_mode(site: Site, mode: str) -> None:
    known = len(site.audit)
    patch = {"metadata": {"annotations": {"logits.ai/mode": mode}}}
    await site.admin.merge_patch(CONFIG_MAPS, "logits-customizations", patch, namespace=NAMESPACE)
    with anyio.fail_after(10):
        while not any(e["annotations"].get("logits.ai/mode") == mode for e in events(site)[known:]):
            await anyio.sleep(0.01)


async def test_the_customers_annotation_stops_changes_and_then_everything(
    site: Site, controller: httpx.AsyncClient
) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-a"}}
    url = f"{CORE}/configmaps"
    for mode in ("read-only", "paused"):
        await _set_mode(site, mode)
        refused(await controller.post(url, json=config), 403, f"mode-{mode}")
        assert (await controller.get(f"{CORE}/pods")).status_code == 200
        assert (await controller.get("/status")).json()["mode"] == mode
    async with await site.caller("collector") as collector:
        plain = b""
        headers = {"content-encoding": "zstd", "idempotency-key": hashlib.sha256(plain).hexdigest()}
        held = await collector.post("/ops/v1/logs", content=zstd.compress(plain), headers=headers)
    refused(held, 503)
    assert "paused" in held.json()["message"]
    patch = {"metadata": {"annotations": {"logits.ai/mode": "normal"}}}
    refused(await controller.patch(f"{url}/logits-customizations", json=patch, headers=APPLY), 403)
    await _set_mode(site, "normal")
    assert (await controller.post(url, json=config)).status_code == 201
