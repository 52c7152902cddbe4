"""Callers: without proof there is a 401 in Kubernetes' own words, and nothing reaches the cluster."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from logits_shell.kubernetes import PODS
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, Site, gateway_site

pytestmark = pytest.mark.anyio
LIST = f"/kubernetes/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.fixture(params=CLUSTERS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Site, None]:
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    async with gateway_site(tmp_path, kubeconfig=kubeconfig) as found:
        yield found


def assert_status(response: httpx.Response, code: int, reason: str) -> dict[str, Any]:
    assert response.status_code == code, response.text
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert (document["kind"], document["status"], document["code"]) == ("Status", "Failure", code)
    assert document["reason"] == reason
    return document


async def test_everybody_else_is_401(site: Site) -> None:
    pod = await site.pod("logits-controller-test", "controller")
    good = await site.token(pod)
    other = await site.token(pod, audience="https://kubernetes.default.svc")
    api_server = await site.token(await site.pod("logits-api-server-1", "api-server"))
    gateway = await site.token(await site.pod("logits-x", "controller", account="logits-gateway"))
    headers: list[list[tuple[str, str]]] = [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer  " + good)],
        [("Authorization", "Basic YTpi")],
        [("Authorization", good)],
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
        [("Authorization", f"Bearer {good[:-4]}AAAA")],
        [("Authorization", f"Bearer {other}")],
        [("Authorization", f"Bearer {api_server}")],
        [("Authorization", f"Bearer {gateway}")],
        [("Authorization", "Bearer an-administrators-token")],
    ]
    async with site.client(None) as client:
        for case in headers:
            for path in (LIST, "/status", "/audit/entries"):
                response = await client.get(path, headers=case)
                document = assert_status(response, 401, "Unauthorized")
                assert good not in document["message"]
                assert "www-authenticate" in response.headers
    assert good.encode() not in b"".join(site.audit)


async def test_a_token_ends_with_its_pod(site: Site) -> None:
    client = await site.caller("controller")
    async with client:
        assert (await client.get(LIST)).status_code == 200
        await site.admin.delete(PODS, "logits-controller-test", namespace=NAMESPACE, grace_seconds=0)
        with anyio.fail_after(10):
            while (response := await client.get(LIST)).status_code == 200:
                pass
        assert_status(response, 401, "Unauthorized")
        # A new pod of the same name is somebody else.
        again = await site.pod("logits-controller-test", "controller")
        assert_status(await client.get(LIST), 401, "Unauthorized")
    async with site.client(await site.token(again)) as other:
        assert (await other.get(LIST)).status_code == 200


async def test_strangers_cannot_fill_the_volume(site: Site) -> None:
    async with site.client("nonsense") as client:
        for _ in range(150):
            await client.get(LIST)
    refusals = [line for line in site.audit if json.loads(line)["event"]["annotations"].get("logits.ai/decision")]
    refused = [line for line in refusals if b'"deny"' in line]
    assert len(refused) <= 120 * 2  # the minute may turn in between
