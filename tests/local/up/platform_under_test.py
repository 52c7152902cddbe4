"""A platform started by the real command line, and what tests need to talk to it."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UP_SECONDS = 170


@dataclass
class Platform:
    """One platform.

    Attributes:
        data: its data directory.
        port: its port; Accounts has the next one, the Ops API the one after.
        output: what the last command wrote.
    """

    data: Path
    port: int
    output: str = field(default="")

    @property
    def url(self) -> str:
        """Console, API and Entity DB behind the Ingress Proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def accounts_url(self) -> str:
        """Accounts."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def ops_api_url(self) -> str:
        """The Ops API."""
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl and Kubernetes clients."""
        return self.data / "kubeconfig"

    @property
    def invented(self) -> dict[str, str]:
        """``env_id env_key operator_token service_token password release_key``."""
        return json.loads((self.data / "secrets.json").read_text())

    def logits(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the `logits` script on this platform."""
        script = Path(sysconfig.get_path("scripts")) / "logits"
        command = [str(script), *arguments, "--data-dir", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=UP_SECONDS, check=False)
        self.output = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"{' '.join(arguments)}:\n{self.output}"
        return done

    def up(self, *options: str) -> None:
        """Start it, or wait until it answers again."""
        self.logits("up", "--port", str(self.port), *options)

    def down(self) -> None:
        """Stop it; the data stays."""
        self.logits("down")

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints for these arguments."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component, as Kubernetes has them."""
        selector = f"logits.ai/component={component}"
        return json.loads(self.kubectl("get", "pods", "-A", "-l", selector, "-o", "json"))["items"]
