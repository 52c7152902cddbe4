"""Where each Service leads: from Services and Pods to listeners and their ready targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from logits_local.controllers.objects import name, namespace, part, pod_ready
from logits_shell.kubernetes.resources import KubernetesObject

Address = tuple[str, int]
"""An IPv4 address and a TCP port."""


@dataclass(frozen=True, slots=True)
class HostForward:
    """A port of this machine's own loopback address that leads to a Service's port."""

    port: int
    namespace: str
    service: str
    service_port: str = "http"

    @property
    def address(self) -> Address:
        """Where it listens."""
        return "127.0.0.1", self.port


def routes(
    services: Iterable[KubernetesObject],
    pods: Iterable[KubernetesObject],
    forwards: Iterable[HostForward] = (),
) -> dict[Address, tuple[Address, ...]]:
    """Every address that must be listened on, with the ready targets behind it.

    A target list may be empty: then connections are refused, as by a Service without endpoints.
    """
    everyone = list(pods)
    found: dict[Address, tuple[Address, ...]] = {}
    by_name: dict[tuple[str, str, str], tuple[Address, ...]] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        if not service["spec"].get("selector"):
            continue  # such as ``kubernetes``: whoever made it also keeps its endpoints
        for port in service["spec"].get("ports") or ():
            reached = targets(service, port, everyone)
            by_name[namespace(service), name(service), str(port.get("name", ""))] = reached
            if address and address != "None":
                found[address, int(port["port"])] = reached
    for forward in forwards:
        key = forward.namespace, forward.service, forward.service_port
        found[forward.address] = by_name.get(key, ())
    return found


def targets(service: KubernetesObject, port: dict[str, Any], pods: Iterable[KubernetesObject]) -> tuple[Address, ...]:
    """The ready pods that a Service's port leads to, in a stable order."""
    selector: dict[str, str] = part(service["spec"], "selector")
    found: list[Address] = []
    for pod in pods:
        labels = part(pod["metadata"], "labels")
        chosen = namespace(pod) == namespace(service) and selector.items() <= labels.items()
        address = part(pod, "status").get("podIP")
        number = container_port(pod, port.get("targetPort", port["port"]))
        if chosen and address and number and pod_ready(pod):
            found.append((address, number))
    return tuple(sorted(found))


def container_port(pod: KubernetesObject, port: int | str) -> int | None:
    """The number of a container port that is given by number or by name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for container in pod["spec"].get("containers") or ():
        for entry in container.get("ports") or ():
            if entry.get("name") == port:
                return int(entry["containerPort"])
    return None


def hosts(services: Iterable[KubernetesObject]) -> str:
    """The hosts file that the resolver shim reads: one Service per line, by its full name."""
    lines = [
        f"{service['spec']['clusterIP']} {name(service)}.{namespace(service)}.svc.cluster.local\n"
        for service in services
        if service["spec"].get("clusterIP") not in (None, "", "None")
    ]
    return "".join(sorted(lines))
