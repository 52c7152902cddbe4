"""Settings of one embedded cluster: ports and GPUs, kept in its data directory."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.data_directory import write_private

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


def free_port(preferred: int | None = None) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, the preferred one if it is free."""
    for candidate in (preferred, 0):
        if candidate is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LogitsError(ErrorCode.UNAVAILABLE, "this machine has no free TCP port on 127.0.0.1")
