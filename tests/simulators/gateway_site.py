"""A site for Gateway tests: the chart's objects on an embedded API server, and a live Gateway before it."""

from __future__ import annotations

import base64
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.rollout import Release, SignedRelease, sign
from logits_gateway.app import create_app
from logits_gateway.settings import Settings
from logits_local.api import ApiServer
from logits_shell.kubernetes import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    ClusterAccess,
    KubernetesClient,
    KubernetesError,
    NoCredentials,
    StaticToken,
    TokenFile,
    resource_of,
    trust,
)
from logits_shell.serve import WaitingServer
from logits_shell.telemetry import Telemetry
from simulators.ops_api import ENVIRONMENT, KEY, SimulatedOpsApi

NAMESPACE = "logits"
CHART = Path(__file__).parents[2] / "helm/gateway/static.yaml"
REAL = "LOGITS_TEST_KUBECONFIG"
_WITH_REAL = ["embedded", pytest.param("real", marks=pytest.mark.kubernetes)]
CLUSTERS = _WITH_REAL if os.environ.get(REAL) else ["embedded"]
"""Where tests of the Gateway run: the embedded API server always, a real one when a kubeconfig names it."""
COMPONENTS = ("controller", "collector", "console", "api-server", "llm-server", "entity-db", "ingress-proxy")


def image(component: str, version: str) -> str:
    """An image reference by digest that is stable for a component and version."""
    return f"localhost/logits/{component}@sha256:{(component + version).encode().hex():0<64.64}"


def release(counter: int, version: str = "") -> Release:
    """A release of all components."""
    version = version or f"0.{counter}.0"
    return Release.make(
        version=version,
        counter=counter,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
        images={component: image(component, version) for component in COMPONENTS},
    )


@dataclass(frozen=True)
class Cluster:
    """An API server: where it is, whom to trust, and an administrator's client."""

    url: str
    verify: ssl.SSLContext
    admin: KubernetesClient


@dataclass
class Site:
    """Everything that a test needs.

    Attributes:
        url: the Gateway's base URL.
        admin: a client of the API server with all rights.
        ops: the simulated Ops API.
        audit: audit lines as they were printed.
        data: the Gateway's volume.
    """

    url: str
    admin: KubernetesClient
    ops: SimulatedOpsApi
    cluster: Cluster
    key: Ed25519PrivateKey
    data: Path
    audit: list[bytes] = field(default_factory=list[bytes])

    def signed(self, counter: int) -> SignedRelease:
        return sign(release(counter), self.key)

    async def pod(self, name: str, component: str, *, account: str = "logits-component") -> dict[str, Any]:
        """Create a pod of a component, as its Deployment would."""
        return await self.admin.create(
            PODS,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": {"app.kubernetes.io/part-of": "logits", "logits.ai/component": component},
                },
                "spec": {
                    "nodeSelector": {"test.logits.ai/node": "nowhere"},
                    "serviceAccountName": account,
                    "automountServiceAccountToken": False,
                    "containers": [{"name": "main", "image": image(component, "0.1.0")}],
                },
            },
        )

    async def token(self, pod: dict[str, Any], *, audience: str = "logits-gateway", seconds: int = 3600) -> str:
        """A projected token of a pod, as its kubelet would fetch it."""
        return await mint(self.admin, pod, audience=audience, seconds=seconds)

    async def caller(self, component: str) -> httpx.AsyncClient:
        """An HTTP client that acts as a component."""
        pod = await self.pod(f"logits-{component}-test", component)
        return self.client(await self.token(pod))

    def client(self, token: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=20)

    async def ready_controller(self, *, ready: bool = True) -> None:
        """Write the status that a Deployment controller would for the Controller's Deployment."""
        live = await self.admin.get(DEPLOYMENTS, "logits-controller", namespace=NAMESPACE)
        count = 1 if ready else 0
        status = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": 1,
            "updatedReplicas": 1,
            "readyReplicas": count,
            "availableReplicas": count,
            "unavailableReplicas": 1 - count,
        }
        await self.admin.patch_status(DEPLOYMENTS, "logits-controller", status, namespace=NAMESPACE)

    async def controller(self) -> dict[str, Any]:
        return await self.admin.get(DEPLOYMENTS, "logits-controller", namespace=NAMESPACE)

    async def controller_runs(self, counter: int) -> dict[str, Any]:
        """Wait until the Gateway has applied the Controller of a release."""
        with anyio.fail_after(20):
            async with aclosing(_states(self.admin, "logits-controller")) as states:
                async for found in states:
                    labels = found["spec"]["template"]["metadata"]["labels"]
                    if labels["logits.ai/release-counter"] == str(counter):
                        return found
        raise AssertionError

    async def reported(self, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the newest report to the Ops API is as wanted."""
        await self.ops.until(lambda: bool(self.ops.reports) and met(self.ops.reports[-1]))
        return self.ops.reports[-1]


async def _states(client: KubernetesClient, name: str) -> AsyncGenerator[dict[str, Any], None]:
    """A Deployment in all its states from now on."""
    selector = f"metadata.name={name}"
    listing = await client.list(DEPLOYMENTS, namespace=NAMESPACE, field_selector=selector)
    for item in listing.items:
        yield item
    events = client.watch(
        DEPLOYMENTS,
        namespace=NAMESPACE,
        field_selector=selector,
        resource_version=listing.resource_version,
    )
    async with aclosing(events) as stream:
        async for event in stream:
            yield event.object


async def mint(admin: KubernetesClient, pod: dict[str, Any], *, audience: str, seconds: int = 3600) -> str:
    """A token bound to a pod."""
    reference = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
    }
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": seconds, "boundObjectRef": reference},
    }
    account = pod["spec"]["serviceAccountName"]
    answer = await admin.create_subresource(SERVICE_ACCOUNTS, account, "token", request, namespace=NAMESPACE)
    return answer["status"]["token"]


def manifests(variables: dict[str, str]) -> list[dict[str, Any]]:
    """The chart's objects with their variables filled in."""
    return [found for found in yaml.safe_load_all(Template(CHART.read_text()).substitute(variables)) if found]


@asynccontextmanager
async def gateway_site(
    directory: Path, *, deadline: float = 120.0, kubeconfig: Path | None = None
) -> AsyncGenerator[Site, None]:
    """A cluster with the chart applied, a simulated Ops API, and a Gateway that serves."""
    key, ops = Ed25519PrivateKey.generate(), SimulatedOpsApi()
    source = _real(kubeconfig, directory) if kubeconfig else _embedded(directory / "cluster")
    async with served(ops) as ops_url, source as cluster:
        await _install(cluster.admin)
        site = Site("", cluster.admin, ops, cluster, key, directory / "volume")
        async with _gateway(site, directory, ops_url, deadline):
            yield site
            ops.close()


@asynccontextmanager
async def _embedded(directory: Path) -> AsyncGenerator[Cluster, None]:
    server = ApiServer(directory)
    started = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, started.set)
        await started.wait()
        verify = trust(server.ca_certificate)
        async with KubernetesClient(server.url, StaticToken(server.admin_token), verify=verify) as admin:
            yield Cluster(server.url, verify, admin)
        group.cancel_scope.cancel()


@asynccontextmanager
async def _real(kubeconfig: Path, directory: Path) -> AsyncGenerator[Cluster, None]:
    """The cluster that a kubeconfig with embedded certificates names; its namespace logits is made anew."""
    config = yaml.safe_load(kubeconfig.read_text())
    place, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for name, encoded in (
        ("ca", place["certificate-authority-data"]),
        ("certificate", user["client-certificate-data"]),
        ("key", user["client-key-data"]),
    ):
        (directory / name).write_bytes(base64.b64decode(encoded))
    own = trust(directory / "ca")
    own.load_cert_chain(directory / "certificate", directory / "key")
    async with KubernetesClient(place["server"], NoCredentials(), verify=own) as admin:
        await admin.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        try:
            yield Cluster(place["server"], trust(directory / "ca"), admin)
        finally:
            await _gone(admin)


async def _gone(admin: KubernetesClient) -> None:
    for resource in (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS):
        with suppress(KubernetesError):  # the chart wasn't applied
            await admin.delete(resource, f"logits-gateway-{NAMESPACE}")
    # A namespace lingers, for half of what its pods may take to end and for each look at what is left, unless
    # what goes slowly is gone before: pods, in which no container ever ran here, and volumes.
    for resource in (DEPLOYMENTS, REPLICA_SETS, PODS, PERSISTENT_VOLUME_CLAIMS):
        for item in (await admin.list(resource, namespace=NAMESPACE)).items:
            with suppress(KubernetesError):  # gone with its owner
                await admin.delete(resource, item["metadata"]["name"], namespace=NAMESPACE, grace_seconds=0)
    await admin.delete(NAMESPACES, NAMESPACE)
    with anyio.fail_after(60):
        while (await admin.list(NAMESPACES, field_selector=f"metadata.name={NAMESPACE}")).items:
            await anyio.sleep(0.1)


@asynccontextmanager
async def served(app: Any, listener: socket.socket | None = None) -> AsyncGenerator[str, None]:
    """Serve an ASGI app inside the block; yields its base URL."""
    with listener or socket.create_server(("127.0.0.1", 0)) as bound:
        server = WaitingServer(
            uvicorn.Config(
                app,
                http="httptools",
                log_config=None,
                access_log=False,
                loop="none",
                ws="none",
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            try:
                yield f"http://127.0.0.1:{bound.getsockname()[1]}"
            finally:
                server.stop()


async def _install(admin: KubernetesClient) -> None:
    variables = {
        "ENV_ID": ENVIRONMENT,
        "ENV_KEY": KEY,
        "GATEWAY_IMAGE": image("gateway", "0.1.0"),
        "OPS_API_URL": "http://127.0.0.1:1",
        "RELEASE_PUBLIC_KEYS": "unused",
    }
    for manifest in manifests(variables):
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = 0  # the Gateway under test runs here, not in a pod
        await admin.apply(resource_of(manifest), manifest, field_manager="helm", namespace=NAMESPACE)


async def _credentials(site: Site, directory: Path) -> ClusterAccess:
    pod = await site.pod("logits-gateway-0", "gateway", account="logits-gateway")
    directory.mkdir()
    audience = "https://kubernetes.default.svc.cluster.local"
    (directory / "token").write_text(await mint(site.admin, pod, audience=audience))
    return ClusterAccess(site.cluster.url, TokenFile(directory / "token"), site.cluster.verify, NAMESPACE)


@asynccontextmanager
async def _gateway(site: Site, directory: Path, ops_url: str, deadline: float) -> AsyncGenerator[None, None]:
    access = await _credentials(site, directory / "credentials")
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings.model_validate(
        {
            "listen_address": "127.0.0.1",
            "http_port": listener.getsockname()[1],
            "namespace": NAMESPACE,
            "env_id": ENVIRONMENT,
            "env_key": KEY,
            "ops_api_url": ops_url,
            "release_public_keys": base64.b64encode(site.key.public_key().public_bytes_raw()).decode(),
            "data_directory": site.data,
            "rollout_deadline_seconds": deadline,
        }
    )
    telemetry = Telemetry.create("gateway", settings)
    gateway = create_app(settings, telemetry, access, audit_output=site.audit.append)
    await gateway.begin()
    async with served(gateway.asgi, listener) as site.url, anyio.create_task_group() as group:
        for task in gateway.background:
            group.start_soon(task)
        with anyio.fail_after(20):
            while not telemetry.health.ready:
                await anyio.sleep(0.01)
        yield
        group.cancel_scope.cancel()
    await gateway.close()
