"""A running embedded cluster for tests: real API server, real processes, in the test's own loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from logits_local.api import ApiServer
from logits_local.controllers.objects import part
from logits_local.nodes.images import Image
from logits_local.nodes.settings import KubeletSettings
from logits_local.platform.cluster import EmbeddedCluster
from logits_local.platform.daemon import daemon_log, kubelet_settings
from logits_local.platform.data_directory import DataDirectory
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.credentials import StaticToken, trust
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import PODS, Resource

PYTHON = "test/python@sha256:" + "0" * 64
NAMESPACE = "default"
Object = dict[str, Any]


@dataclass
class Running:
    """An embedded cluster that runs.

    Attributes:
        client: with the administrator's rights.
        pods: a live cache of all pods.
        settings: the kubelet's.
        cluster: its parts.
    """

    client: KubernetesClient
    pods: Reflector
    settings: KubeletSettings
    cluster: EmbeddedCluster

    async def create(self, resource: Resource, manifest: Object) -> Object:
        """Create an object in the test's namespace."""
        return await self.client.create(resource, manifest, namespace=NAMESPACE)

    async def until(self, holds: Callable[[list[Object]], Any], seconds: float = 20.0) -> Any:
        """Wait until ``holds`` says something true of the pods, and return that."""
        with anyio.fail_after(seconds):
            while True:
                seen = self.pods.changes.count
                if found := holds(list(self.pods.objects.values())):
                    return found
                await self.pods.wait_change(seen)

    async def log(self, pod: Object) -> str:
        """What the pod's container wrote."""
        name = pod["metadata"]["name"]
        return b"".join([c async for c in self.client.pod_log(name, namespace=NAMESPACE)]).decode()


@asynccontextmanager
async def embedded_cluster(root: Path) -> AsyncGenerator[Running]:
    """Run a cluster on a directory; leaving it ends all its processes and keeps the directory."""
    data = DataDirectory(root)
    server = ApiServer(data.root, 0, log_directory=data.logs)
    client = KubernetesClient(server.url, StaticToken(server.admin_token), verify=trust(server.ca_certificate))
    settings = kubelet_settings(data, server, client, daemon_log("0.0.0"))
    settings.images.add({PYTHON: Image((sys.executable, "-u", "-c"), {"FROM_IMAGE": "yes"})})
    cluster = EmbeddedCluster(settings, (), gpus=1)
    listening, up, down = anyio.Event(), anyio.Event(), anyio.Event()

    async def run() -> None:
        await cluster.run(up.set)
        down.set()

    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, listening.set)
        await listening.wait()
        async with client:
            pods = Reflector(client, PODS)
            group.start_soon(pods.run)
            group.start_soon(run)
            await up.wait()
            yield Running(client, pods, settings, cluster)
            cluster.close()
            with anyio.fail_after(20):
                await down.wait()
        group.cancel_scope.cancel()


def pod_manifest(name: str, code: str, **container: Any) -> Object:
    """A pod that runs Python code."""
    spec: Object = {"name": "main", "image": PYTHON, "args": [code], **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [spec], "terminationGracePeriodSeconds": 5},
    }


def container(pod: Object) -> Object:
    """The status of a pod's only container."""
    statuses: list[Object] = part(pod, "status").get("containerStatuses") or [{}]
    return statuses[0]
