"""The platform under test: what the chain's tests need to know and do, on either cluster."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logits_core.rollout import Release, sign

CUSTOMER = "logits"
VENDOR = "logits-vendor"


class Variants(Protocol):
    """Makes further images of a component."""

    def __call__(self, component: str, version: str, *, never_ready: bool = False) -> str:
        """Reference of an image with this version; one that is never ready just sleeps."""
        ...


@dataclass
class Platform:
    """A running Logits.

    Attributes:
        name: which cluster: embedded or real.
        url: the ingress, as seen from the test.
        accounts_url: Accounts.
        ops_api_url: the Ops API.
        operator_token: the vendor's operator.
        env_id: the environment.
        private_key: signs releases that the Gateway trusts.
        images: component -> reference of the first release.
        kubectl_command: kubectl with its kubeconfig.
        variant: makes further images.
        counter: of the newest published release.
        storage: directory that holds the vendor's volumes, where the test can read it.
        facts: figures and words worth printing.
    """

    name: str
    url: str
    accounts_url: str
    ops_api_url: str
    operator_token: str
    env_id: str
    private_key: Ed25519PrivateKey
    images: dict[str, str]
    kubectl_command: list[str]
    variant: Variants
    counter: int = 1
    storage: Path | None = None
    facts: dict[str, str] = field(default_factory=dict[str, str])

    # -- the cluster

    def kubectl(self, *arguments: str, namespace: str = CUSTOMER, check: bool = True) -> str:
        """Run kubectl and return what it prints."""
        run = subprocess.run(
            [*self.kubectl_command, "-n", namespace, *arguments], capture_output=True, text=True, timeout=120
        )
        if check and run.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {run.stderr}")
        return run.stdout

    def apply(self, manifest: dict[str, Any], namespace: str = CUSTOMER) -> None:
        """Create or change an object."""
        command = [*self.kubectl_command, "-n", namespace, "apply", "-f", "-"]
        run = subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr

    def pods(self, component: str, namespace: str = CUSTOMER) -> list[dict[str, Any]]:
        """The pods of a component that aren't leaving."""
        listed = json.loads(
            self.kubectl("get", "pods", "-l", f"logits.ai/component={component}", "-o", "json", namespace=namespace)
        )
        return [pod for pod in listed["items"] if not pod["metadata"].get("deletionTimestamp")]

    def logs(self, component: str, namespace: str = CUSTOMER) -> str:
        """What the component's pods print."""
        return "".join(
            self.kubectl("logs", pod["metadata"]["name"], namespace=namespace, check=False)
            for pod in self.pods(component, namespace)
        )

    def kill(self, component: str, namespace: str = CUSTOMER) -> None:
        """SIGKILL the component's processes; where they run on another machine, delete the pods at once."""
        for pod in self.pods(component, namespace):
            name = pod["metadata"]["name"]
            if not _kill_processes(f"LOGITS_POD_NAME={name}"):
                self.kubectl("delete", "pod", name, "--grace-period=0", "--force", namespace=namespace)

    # -- the vendor

    def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call as the vendor's operator."""
        headers = {"authorization": f"Bearer {self.operator_token}"}
        return httpx.request(method, self.ops_api_url + path, json=body, headers=headers, timeout=10, trust_env=False)

    def publish(
        self, version: str, images: dict[str, str], *, key: Ed25519PrivateKey | None = None, desire: bool = True
    ) -> None:
        """Publish a release, signed by the trusted key unless another is given, and desire it."""
        self.counter += 1
        release = Release.make(version=version, counter=self.counter, issued_at=datetime.now(UTC), images=images)
        answer = self.operator("POST", "/operator/v1/releases", sign(release, key or self.private_key).document())
        assert answer.is_success, answer.text
        if desire:
            path = f"/operator/v1/environments/{self.env_id}/desired"
            answer = self.operator("PUT", path, {"version": version})
            assert answer.is_success, answer.text

    def environment(self) -> dict[str, Any]:
        """What the Ops API knows of the environment."""
        answer = self.operator("GET", f"/operator/v1/environments/{self.env_id}")
        answer.raise_for_status()
        return answer.json()

    def stored_by_ops_api(self, text: str) -> bool:
        """Whether any file of the Ops API holds this text, compressed batches unpacked."""
        if self.storage is not None:
            files = [path for path in self.storage.rglob("*") if path.is_file()]
            return any(text.encode() in path.read_bytes() for path in files)
        code = (
            "import pathlib, sys; t = sys.argv[1].encode(); "
            "print(any(t in p.read_bytes() for p in pathlib.Path('/var/lib/logits').rglob('*') if p.is_file()))"
        )
        return "True" in self.kubectl(
            "exec", "deploy/logits-ops-api", "--", "python3", "-c", code, text, namespace=VENDOR
        )

    # -- the customer

    def get(self, path: str) -> Any:
        """JSON from behind the ingress."""
        answer = httpx.get(self.url + path, timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def stage(self, model: str = "logits-demo") -> str:
        """The stage of a model deployment."""
        found: dict[str, Any] = self.get(f"/entities/modeldeployments/{model}")
        status: dict[str, Any] = found.get("status") or {}
        return str(status.get("stage"))

    def switch(self, enabled: bool, model: str = "logits-demo") -> None:
        """Enable or disable a model through the Console's API."""
        answer = httpx.patch(
            f"{self.url}/console/models/{model}", json={"enabled": enabled}, timeout=10, trust_env=False
        )
        assert answer.status_code == 200, answer.text

    def ask(self, question: str = "What is the Gateway?", model: str = "logits-demo", **fields: Any) -> httpx.Response:
        """One chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": question}], **fields}
        return httpx.post(f"{self.url}/api/v1/chat/completions", json=body, timeout=60, trust_env=False)

    def answers(self) -> bool:
        """Whether a chat completion works right now."""
        try:
            return self.ask(max_tokens=8).status_code == 200
        except httpx.HTTPError:
            return False


def eventually(condition: Callable[[], Any], what: str, *, seconds: float = 90.0) -> Any:
    """Wait until the condition gives something true and return it; transport failures count as not yet."""
    deadline = time.monotonic() + seconds
    seen: Any = None
    while time.monotonic() < deadline:
        try:
            seen = condition()
        except (httpx.HTTPError, AssertionError, KeyError) as error:
            seen = error
        else:
            if seen:
                return seen
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s; last seen: {seen!r}")


def _kill_processes(marker: str) -> bool:
    """SIGKILL every process of this machine whose environment has the marker; False when there is none."""
    needle = b"\0" + marker.encode() + b"\0"
    killed = False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if needle in b"\0" + (process / "environ").read_bytes() + b"\0":
                os.kill(int(process.name), signal.SIGKILL)
                killed = True
        except OSError:
            continue
    return killed


def raw_public_key(key: Ed25519PrivateKey) -> str:
    """Base64 of the raw public key, as the chart takes it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
