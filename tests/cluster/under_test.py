"""The platform under test: what the chain's tests need to know and do, on either cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from logits_release.desk import NewRelease, ReleaseDesk

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
        desk: signs releases that the Gateway trusts.
        images: component -> reference of the first release.
        kubectl_command: kubectl with its kubeconfig.
        variant: makes further images.
        storage: directory that holds the vendor's volumes, where the test can read it.
        facts: figures and words worth printing.
    """

    name: str
    url: str
    accounts_url: str
    ops_api_url: str
    operator_token: str
    env_id: str
    desk: ReleaseDesk
    images: dict[str, str]
    kubectl_command: list[str]
    variant: Variants
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
        apply = ["apply", "--server-side", "--force-conflicts", "--validate=false", "-f", "-"]
        command = [*self.kubectl_command, "-n", namespace, *apply]
        run = subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr

    def scale(self, deployment: str, replicas: int, namespace: str = CUSTOMER) -> None:
        """Ask for that many pods."""
        patch = json.dumps({"spec": {"replicas": replicas}})
        self.kubectl("patch", "deployment", deployment, "--type=merge", "-p", patch, namespace=namespace)

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

    def publish(self, version: str, images: dict[str, str], *, desk: ReleaseDesk | None = None) -> httpx.Response:
        """Publish a release, signed by the vendor's offline keys unless another desk is given."""
        signing = desk or self.desk
        signing.draft_release(NewRelease(version, images))
        assert not signing.sign(signing.ring.names())
        content = msgspec.json.encode(signing.directory.publication())
        return self.operator("POST", "/operator/v1/releases", json.loads(content))

    def desire(self, version: str, reason: str = "") -> None:
        """Let the environment want a published release."""
        path = f"/operator/v1/environments/{self.env_id}/desired"
        answer = self.operator("PUT", path, {"version": version, "reason": reason})
        assert answer.is_success, answer.text

    def release(self, version: str, images: dict[str, str]) -> None:
        """Publish a release and desire it."""
        answer = self.publish(version, images)
        assert answer.is_success, answer.text
        self.desire(version)

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

    def tamper_with_ops_api(self, statement: str, *values: str) -> None:
        """Run SQL on the store of the Ops API, as somebody who stole it would."""
        code = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30); "
            "c.execute(sys.argv[2], sys.argv[3:]); c.commit()"
        )
        if self.storage is not None:
            (path,) = self.storage.rglob("ops-api.db")
            subprocess.run([sys.executable, "-c", code, str(path), statement, *values], check=True, timeout=60)
            return
        inside = ["python3", "-c", code, "/var/lib/logits/ops-api.db", statement, *values]
        self.kubectl("exec", "deploy/logits-ops-api", "--", *inside, namespace=VENDOR)

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
