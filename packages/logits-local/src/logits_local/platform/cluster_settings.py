"""Settings of one embedded cluster: ports and GPUs, kept in its data directory."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.files import write_private

CUSTOMER_NAMESPACE = "logits"
VENDOR_NAMESPACE = "logits-vendor"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What the daemon needs to know.

    Attributes:
        port: the platform's port on 127.0.0.1; Accounts has the next one, the Ops API the one after.
        gpus: pretended GPUs of the second node.
        api_port: the Kubernetes API's port on 127.0.0.1.
    """

    port: int
    gpus: int
    api_port: int

    @property
    def accounts_port(self) -> int:
        """Accounts' port."""
        return self.port + 1

    @property
    def ops_api_port(self) -> int:
        """The Ops API's port."""
        return self.port + 2

    @classmethod
    def load(cls, path: Path) -> ClusterSettings | None:
        """Those of the last start; None when there was none.

        Raises:
            LogitsError: the file is damaged.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as failure:
            raise LogitsError(ErrorCode.CORRUPT, f"{path} is damaged; delete that file") from failure

    def save(self, path: Path) -> None:
        """Keep them for the daemon and the other commands."""
        write_private(path, json.dumps(asdict(self)))


def require_free(ports: dict[int, str]) -> None:
    """Make sure that every port can be bound on 127.0.0.1.

    Args:
        ports: port to what it is for.

    Raises:
        LogitsError: a port is taken.
    """
    for port, purpose in ports.items():
        if _bindable(port) is None:
            message = f"port {port} (for {purpose}) is in use; stop what listens there or choose another with --port"
            raise LogitsError(ErrorCode.CONFLICT, f"{message}, which takes three ports in a row")


def free_port(preferred: int = 0) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, the preferred one if it is free."""
    if port := _bindable(preferred) or _bindable(0):
        return port
    raise LogitsError(ErrorCode.UNAVAILABLE, "this machine has no free TCP port on 127.0.0.1")


def _bindable(port: int) -> int | None:
    """The port, or any free one for 0; None when it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
