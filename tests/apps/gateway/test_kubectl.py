"""Stock clients: kubectl and the official Python client work through the Gateway, and print its refusals well."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
import yaml

from apps.gateway.official_client import CONFIG
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, Site, gateway_site

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Stock:
    """A kubeconfig that leads through the Gateway as the Controller."""

    site: Site
    kubeconfig: Path

    async def kubectl(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
        program = os.environ.get("KUBECTL") or shutil.which("kubectl")
        if not program:
            pytest.skip("kubectl is not on PATH and KUBECTL doesn't name it")
        command = [program, "--kubeconfig", str(self.kubeconfig), *arguments]
        environment = {"HOME": str(self.kubeconfig.parent), "PATH": os.environ["PATH"]}
        with anyio.fail_after(60):
            return await anyio.run_process(command, input=text.encode(), check=False, env=environment)


@pytest.fixture(params=CLUSTERS)
async def stock(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stock]:
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    async with gateway_site(tmp_path, kubeconfig=kubeconfig) as site:
        token = await site.token(await site.pod("logits-controller-stock", "controller"))
        # kubectl sends no token without TLS; the certificate is the one that the Gateway publishes.
        authority = base64.b64encode((site.data / "tls.crt").read_bytes()).decode()
        server = f"{site.secure_url}/kubernetes"
        place = {"server": server, "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "g",
            "clusters": [{"name": "g", "cluster": place}],
            "users": [{"name": "g", "user": {"token": token}}],
            "contexts": [{"name": "g", "context": {"cluster": "g", "user": "g", "namespace": NAMESPACE}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        yield Stock(site, path)


async def test_kubectl_gets_applies_and_deletes(stock: Stock) -> None:
    listed = await stock.kubectl("get", "pods", "--output", "name")
    assert b"pod/logits-controller-stock" in listed.stdout, listed.stderr
    applied = await stock.kubectl(
        "apply", "--server-side", "--validate=false", "--filename", "-", text=json.dumps(CONFIG)
    )
    assert applied.returncode == 0, applied.stderr
    got = await stock.kubectl("get", "configmap", "logits-stock", "--output", "jsonpath={.data.a}")
    assert got.stdout == b"1", got.stderr
    waited = await stock.kubectl("get", "configmaps", "--watch-only", "--request-timeout", "2s")
    assert b"Forbidden" not in waited.stderr
    deleted = await stock.kubectl("delete", "configmap", "logits-stock")
    assert deleted.returncode == 0, deleted.stderr
    assert (await stock.kubectl("get", "configmap", "logits-stock")).returncode != 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("get", "secrets"), "no rule lets controller list secrets"),
        (("delete", "pod", "logits-gateway-0"), "rule protect-gateway"),
        (("exec", "logits-controller-stock", "--", "id"), "refuses"),
        (("logs", "logits-controller-stock"), "is not offered for get"),
        (("scale", "deployment/logits-gateway", "--replicas=0"), "rule no-subresources"),
        (("get", "pods", "--all-namespaces"), "no rule lets controller list pods"),
    ],
)
async def test_kubectl_prints_the_rule_that_refused(stock: Stock, arguments: tuple[str, ...], words: str) -> None:
    done = await stock.kubectl(*arguments)
    assert done.returncode != 0
    assert words.encode() in done.stderr, done.stderr
    assert b"Traceback" not in done.stderr


async def test_the_official_client_lists_writes_and_watches(stock: Stock) -> None:
    command = [sys.executable, str(Path(__file__).parent / "official_client.py"), str(stock.kubeconfig), NAMESPACE]
    with anyio.fail_after(120):
        done = await anyio.run_process(command, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "logits-controller-stock" in found["pods"]
    assert found["seen"] == ["2"]
    assert (found["status"], found["refusal"]["reason"]) == (403, "Forbidden")
    assert "no rule lets controller list secrets" in found["refusal"]["message"]
