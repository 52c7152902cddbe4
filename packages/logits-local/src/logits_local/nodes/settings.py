"""What the process kubelet needs to know about its machine and its cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from logits_local.nodes.images import ImageCatalogue
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.log import Logger


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """Settings of the kubelet.

    Attributes:
        directory: where pods, claims and the hosts file live; also marks processes as ours.
        log_directory: where container logs go: ``<pod uid>/<container>/<restart count>.log``.
        ca_file: the API server's CA, for the pods' ServiceAccount volumes.
        api_port: the API server's port on 127.0.0.1.
        images: what image references stand for.
        path: the PATH of containers.
        shim_directory: holds the resolver's ``sitecustomize.py``.
        first_back_off: seconds before the second restart; doubled up to ``longest_back_off``.
            Kubernetes starts at 10 s and ends at 300 s; a laptop should not wait so long.
        longest_back_off: the longest pause between restarts, in seconds.
        back_off_reset: seconds of running after which the back-off starts anew.
        client: a client with the administrator's rights.
        clock: the time in UTC.
        log: where the kubelet tells what it does.
    """

    directory: Path
    log_directory: Path
    ca_file: Path
    api_port: int
    images: ImageCatalogue
    path: str
    shim_directory: Path
    client: KubernetesClient
    clock: Callable[[], datetime]
    log: Logger
    first_back_off: float = 1.0
    longest_back_off: float = 60.0
    back_off_reset: float = 600.0

    @property
    def hosts_file(self) -> Path:
        """The file in which the resolver shim looks Service names up."""
        return self.directory / "hosts"

    def pod_directory(self, uid: str) -> Path:
        """The directory of one pod's volumes and homes."""
        return self.directory / "pods" / uid
