"""Targets: which pods have a ``metrics`` port, from the pods that the Gateway lets us see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COMPONENT_LABEL = "logits.ai/component"
PART_OF = "app.kubernetes.io/part-of=logits"


@dataclass(frozen=True)
class Target:
    """One container port named ``metrics`` of a running pod."""

    pod_uid: str
    component: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """Where /metrics and /logs are."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    @property
    def instance(self) -> str:
        """A digest of the pod's UID: tells instances apart without naming them."""
        return hashlib.sha256(self.pod_uid.encode()).hexdigest()[:16]


def targets_of(pods: Iterable[dict[str, Any]]) -> frozenset[Target]:
    """Every target among these pods; pods without an address or a component aren't ready to be asked."""
    return frozenset(target for pod in pods for target in _of_pod(pod))


def _of_pod(pod: dict[str, Any]) -> list[Target]:
    metadata: dict[str, Any] = pod["metadata"]
    status: dict[str, Any] = pod.get("status") or {}
    labels: dict[str, str] = metadata.get("labels") or {}
    component = labels.get(COMPONENT_LABEL, "")
    address: str = status.get("podIP", "")
    if not component or not address or status.get("phase") != "Running" or metadata.get("deletionTimestamp"):
        return []
    ports = [
        port["containerPort"]
        for container in pod.get("spec", {}).get("containers", [])
        for port in container.get("ports", [])
        if port.get("name") == "metrics"
    ]
    return [Target(metadata["uid"], component, address, port) for port in ports]
