"""Node objects of the embedded cluster: this machine, once without and once with pretended GPUs."""

from __future__ import annotations

import os
import platform
from datetime import datetime

from logits_local.controllers.objects import timestamp
from logits_local.nodes.status import HOST_ADDRESS
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.resources import NODES, KubernetesObject

NODE = "local"
GPU_NODE = "local-gpu"
GPU_RESOURCE = "nvidia.com/gpu"
_VERSION = "v1.36.0"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def node_manifests(gpus: int) -> tuple[KubernetesObject, KubernetesObject]:
    """The two nodes.

    Args:
        gpus: how many GPUs the second one says to have. They only exist for the scheduler.
    """
    return _manifest(NODE, {}), _manifest(GPU_NODE, {"nvidia.com/gpu.present": "true"} if gpus else {})


def _manifest(node: str, labels: dict[str, str]) -> KubernetesObject:
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node,
            "labels": {
                "kubernetes.io/hostname": node,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                **labels,
            },
        },
    }


def node_status(node: str, gpus: int, now: datetime) -> dict[str, object]:
    """A node's status: always ready, since it can only be gone together with its API server."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    capacity = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory >> 10}Ki", "pods": "110"}
    if node == GPU_NODE:
        capacity[GPU_RESOURCE] = str(gpus)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "containers run as processes of this machine",
        "lastHeartbeatTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
    }
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [ready],
        "addresses": [
            {"type": "InternalIP", "address": HOST_ADDRESS},
            {"type": "Hostname", "address": node},
        ],
        "nodeInfo": {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "operatingSystem": "linux",
            "osImage": "this machine",
            "kernelVersion": platform.release(),
            "kubeletVersion": _VERSION,
            "containerRuntimeVersion": "process://1",
        },
    }


async def register(client: KubernetesClient, gpus: int, now: datetime) -> None:
    """Make both nodes known, or bring what they offer up to date.

    Raises:
        LogitsError: the API server refused.
    """
    for manifest in node_manifests(gpus):
        node = manifest["metadata"]["name"]
        await client.apply(NODES, manifest, field_manager="kubelet", force=True)
        status = node_status(node, gpus, now)
        # A merge patch would keep a resource that is no longer offered.
        cleared: dict[str, object] = {"capacity": None, "allocatable": None}
        await client.patch_status(NODES, node, cleared)
        await client.patch_status(NODES, node, status)
