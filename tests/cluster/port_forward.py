"""Port forwards: stable local addresses of Services in a real cluster, by kubectl."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from pathlib import Path


class PortForward:
    """Keeps ``kubectl port-forward`` to a Service alive on one local port, also when its pod changes.

    Args:
        kubectl: the command with its kubeconfig.
        namespace: of the Service.
        service: its name.
        port: its port.
    """

    def __init__(self, kubectl: list[str], namespace: str, service: str, port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.local = probe.getsockname()[1]
        self._command = [*kubectl, "-n", namespace, "port-forward", f"service/{service}", f"{self.local}:{port}"]
        self._stopped = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The local address."""
        return f"http://127.0.0.1:{self.local}"

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert self._process.stdout is not None
            for line in self._process.stdout:
                # kubectl keeps running after its pod has gone, but forwards nothing any more.
                if re.search(r"lost connection|error forwarding|error creating|an error occurred", line):
                    break
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._stopped.wait(0.3)

    def close(self) -> None:
        """Stop forwarding."""
        self._stopped.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join(10)


def kubectl_for(kubeconfig: Path, program: str) -> list[str]:
    """The kubectl command for a kubeconfig."""
    return [program, "--kubeconfig", str(kubeconfig)]
