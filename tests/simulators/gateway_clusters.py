"""The clusters on which the Gateway is tested: the embedded API server, and a real one by its kubeconfig."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import yaml

from logits_local.api import ApiServer
from logits_shell.kubernetes import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    KubernetesClient,
    KubernetesError,
    NoCredentials,
    StaticToken,
    trust,
)

NAMESPACE = "logits"


@dataclass(frozen=True)
class Cluster:
    """An API server: where it is, whom to trust, and an administrator's client."""

    url: str
    verify: ssl.SSLContext
    admin: KubernetesClient


@asynccontextmanager
async def embedded_cluster(directory: Path) -> AsyncGenerator[Cluster, None]:
    """The embedded API server in this process."""
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
async def real_cluster(kubeconfig: Path, directory: Path) -> AsyncGenerator[Cluster, None]:
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
