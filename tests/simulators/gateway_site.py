"""A site for Gateway tests: the chart's objects on an embedded API server, and a live Gateway before it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
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

from logits_client.verify import Report, Trust, read_checkpoint, read_entries, read_key, verify
from logits_core.rollout import Offer
from logits_gateway.app import create_app
from logits_gateway.settings import Settings
from logits_shell.kubernetes import (
    DEPLOYMENTS,
    PODS,
    SERVICE_ACCOUNTS,
    ClusterAccess,
    KubernetesClient,
    TokenFile,
    resource_of,
)
from logits_shell.relay import strict_protocol
from logits_shell.serve import WaitingServer
from logits_shell.telemetry import Telemetry
from simulators.gateway_clusters import NAMESPACE, Cluster, embedded_cluster, real_cluster
from simulators.ops_api import ENVIRONMENT, KEY, SimulatedOpsApi
from simulators.vendor_desk import VendorDesk, copied

Between = Callable[[ClusterAccess], AbstractAsyncContextManager[ClusterAccess]]
CHART = Path(__file__).parents[2] / "helm/gateway/static.yaml"
REAL = "LOGITS_TEST_KUBECONFIG"
_WITH_REAL = ["embedded", pytest.param("real", marks=pytest.mark.kubernetes)]
CLUSTERS = _WITH_REAL if os.environ.get(REAL) else ["embedded"]
"""Where tests of the Gateway run: the embedded API server always, a real one when a kubeconfig names it."""
COMPONENTS = ("controller", "collector", "console", "api-server", "llm-server", "entity-db", "ingress-proxy")


def image(component: str, version: str) -> str:
    """An image reference by digest that is stable for a component and version."""
    return f"localhost/logits/{component}@sha256:{(component + version).encode().hex():0<64.64}"


def images_of(version: str) -> dict[str, str]:
    """Images of all components."""
    return {component: image(component, version) for component in COMPONENTS}


def _vendor() -> VendorDesk:
    """A vendor who has released 0.1.0 to 0.4.0, with counters 1 to 4."""
    vendor = VendorDesk.begin(clock=lambda: datetime.now(UTC))
    for number in range(1, 5):
        vendor.release(f"0.{number}.0", images_of(f"0.{number}.0"))
    return vendor


VENDOR = _vendor()


@dataclass
class Site:
    """Everything that a test needs.

    Attributes:
        url: the Gateway's base URL.
        admin: a client of the API server with all rights.
        ops: the simulated Ops API.
        vendor: signs what the Ops API offers.
        audit: audit lines as they were printed.
        secure_url: the Gateway's base URL with TLS.
        data: the Gateway's volume.
    """

    url: str
    admin: KubernetesClient
    ops: SimulatedOpsApi
    cluster: Cluster
    vendor: VendorDesk
    data: Path
    audit: list[bytes] = field(default_factory=list[bytes])
    secure_url: str = ""

    def signed(self, counter: int, *, reason: str = "") -> Offer:
        """What the Ops API offers for the release with this counter."""
        return self.vendor.offer(f"0.{counter}.0", environment=ENVIRONMENT, reason=reason)

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

    def verified(self) -> Report:
        """What the offline verifier says of the log on the volume, as far as it is signed."""
        place = self.data / "audit/0001"
        checkpoint = read_checkpoint((place / "checkpoint").read_text())
        return verify(checkpoint, read_entries(place, checkpoint.size), Trust(read_key(self.log_key())))

    def log_key(self) -> str:
        """The log's key, as the first record in the Pod's own log tells it."""
        return json.loads(self.audit[0])["event"]["annotations"]["logits.ai/key"]

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
    directory: Path,
    *,
    deadline: float = 120.0,
    kubeconfig: Path | None = None,
    max_watches: int = 1000,
    clock: Callable[[], float] = time.time,
    between: Between = nullcontext,
    ops_api: str = "",
    vendor: VendorDesk | None = None,
) -> AsyncGenerator[Site, None]:
    """A cluster with the chart applied, a Gateway that serves, and a simulated Ops API unless a real one is named.

    Args:
        directory: for all that the site keeps.
        deadline: seconds for a new Controller.
        kubeconfig: of a real cluster; the embedded API server without.
        max_watches: that the Gateway keeps open.
        clock: the Gateway's.
        between: gets the Gateway's access to the API server and yields what the Gateway is given.
        ops_api: URL of a real Ops API.
        vendor: signs what is offered.
    """
    ops = SimulatedOpsApi()
    source = real_cluster(kubeconfig, directory) if kubeconfig else embedded_cluster(directory / "cluster")
    async with served(ops) as ops_url, source as cluster:
        await _install(cluster.admin)
        site = Site("", cluster.admin, ops, cluster, vendor or copied(VENDOR), directory / "volume")
        changes = {"ops_api_url": ops_api or ops_url, "rollout_deadline_seconds": deadline, "max_watches": max_watches}
        async with _gateway(site, directory, changes, clock, between):
            yield site
            ops.close()


@asynccontextmanager
async def served(
    app: Any,
    listener: socket.socket | None = None,
    protocol: Any = "httptools",
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[str, None]:
    """Serve an ASGI app inside the block; yields its base URL."""
    with listener or socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(
            app,
            http=protocol or strict_protocol(),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            loop="none",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = tls
        server = WaitingServer(config)
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            try:
                yield f"http{'s' if tls else ''}://127.0.0.1:{bound.getsockname()[1]}"
            finally:
                server.stop()


async def _install(admin: KubernetesClient) -> None:
    variables = {
        "ENV_ID": ENVIRONMENT,
        "ENV_KEY": KEY,
        "GATEWAY_IMAGE": image("gateway", "0.1.0"),
        "OPS_API_URL": "http://127.0.0.1:1",
        "IMAGES_ROOT": "unused",
        "DIRECTOR_ROOT": "unused",
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
async def _gateway(
    site: Site, directory: Path, changes: dict[str, Any], clock: Callable[[], float], between: Between
) -> AsyncGenerator[None, None]:
    own = await _credentials(site, directory / "credentials")
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings.model_validate(
        {
            "listen_address": "127.0.0.1",
            "http_port": listener.getsockname()[1],
            "namespace": NAMESPACE,
            "env_id": ENVIRONMENT,
            "env_key": KEY,
            "images_root": f"sha256:{site.vendor.pins.images}",
            "director_root": f"sha256:{site.vendor.pins.director}",
            "data_directory": site.data,
        }
        | changes
    )
    telemetry = Telemetry.create("gateway", settings)
    async with between(own) as access:
        gateway = create_app(settings, telemetry, access, clock=clock, audit_output=site.audit.append)
        await gateway.begin()
        assert gateway.secured is not None
        async with (
            served(gateway.asgi, listener, gateway.protocol) as site.url,
            served(gateway.asgi, None, gateway.protocol, gateway.secured.tls) as site.secure_url,
            anyio.create_task_group() as group,
        ):
            for task in gateway.background:
                group.start_soon(task)
            with anyio.fail_after(20):
                while not telemetry.health.ready:
                    await anyio.sleep(0.01)
            yield
            group.cancel_scope.cancel()
        await gateway.close()
