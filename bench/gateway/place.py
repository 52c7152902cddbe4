"""The place of the Gateway's bench: the chart on the cluster of KUBECONFIG, and the Gateway as a process here."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "logits-bench"
AUDIENCES = {"gateway": "https://kubernetes.default.svc.cluster.local", "controller": "logits-gateway"}
PORTS = {"http": 28480, "metrics": 28490, "proxy": 28470}
VALUES = {
    "ENV_ID": "123e4567-e89b-42d3-a456-426614174000",
    "ENV_KEY": "abcdefgh.ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
    "GATEWAY_IMAGE": "localhost/logits/gateway@sha256:" + "a" * 64,
    "OPS_API_URL": "http://127.0.0.1:1",
    "IMAGES_ROOT": "sha256:" + "b" * 64,
    "DIRECTOR_ROOT": "sha256:" + "c" * 64,
}


def kubectl(*arguments: str, text: str = "", check: bool = True) -> str:
    """Run kubectl as the administrator."""
    command = ["kubectl", "--namespace", NAMESPACE, *arguments]
    done = subprocess.run(command, check=False, input=text, capture_output=True, text=True, timeout=120)
    if check and done.returncode:
        raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def _chart() -> str:
    text = Template((ROOT / "helm/gateway/static.yaml").read_text()).substitute(VALUES)
    text = text.replace("namespace: logits\n", f"namespace: {NAMESPACE}\n")
    objects: list[dict[str, Any]] = [found for found in yaml.safe_load_all(text) if found]
    for found in objects:
        if found["kind"] == "Deployment":
            found["spec"]["replicas"] = 0  # the Gateway under test is a process here
        if found["kind"].startswith("Cluster"):
            found["metadata"]["name"] += "-bench"
        if found["kind"] == "ClusterRoleBinding":
            found["roleRef"]["name"] += "-bench"
    return yaml.safe_dump_all(objects)


def _pod(component: str, account: str) -> str:
    labels = {"app.kubernetes.io/part-of": "logits", "logits.ai/component": component}
    spec = {
        "nodeSelector": {"bench.logits.ai/node": "nowhere"},
        "serviceAccountName": account,
        "containers": [{"name": "main", "image": VALUES["GATEWAY_IMAGE"]}],
    }
    metadata = {"name": f"logits-{component}-bench", "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


@dataclass
class Place:
    """The chart's objects, and the Gateway's process.

    Attributes:
        directory: for the Gateway's volume and credentials.
        settings: further settings of the Gateway, by environment variable.
        token: the Controller's.
        process: the Gateway, once started.
    """

    directory: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])
    token: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The namespace's core objects, through the Gateway."""
        return f"http://127.0.0.1:{PORTS['http']}/kubernetes/api/v1/namespaces/{NAMESPACE}"

    @property
    def pid(self) -> int:
        """Of the Gateway."""
        return self.process.pid if self.process else 0

    def install(self) -> None:
        """Apply the chart, make the two pods and take their tokens."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        kubectl("apply", "--filename", "-", text=json.dumps(namespace))
        kubectl("apply", "--filename", "-", text=_chart())
        kubectl("apply", "--filename", "-", text=_pod("gateway", "logits-gateway"))
        kubectl("apply", "--filename", "-", text=_pod("controller", "logits-component"))
        credentials = self.directory / "credentials"
        credentials.mkdir()
        (credentials / "token").write_text(self._token("logits-gateway", "gateway"))
        (credentials / "namespace").write_text(NAMESPACE)
        authority = self._config("{.clusters[0].cluster.certificate-authority-data}")
        (credentials / "ca.crt").write_bytes(base64.b64decode(authority))
        self.token = self._token("logits-component", "controller")

    def _token(self, account: str, component: str) -> str:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": f"logits-{component}-bench"}
        spec = {"audiences": [AUDIENCES[component]], "expirationSeconds": 10_800, "boundObjectRef": bound}
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        answer: dict[str, Any] = json.loads(kubectl("create", "--raw", path, "-f", "-", text=json.dumps(wanted)))
        return answer["status"]["token"]

    def _config(self, path: str) -> str:
        return kubectl("config", "view", "--raw", "--output", f"jsonpath={path}")

    def start(self) -> None:
        """Start the Gateway and wait until it is ready."""
        server = urlsplit(self._config("{.clusters[0].cluster.server}"))
        environment = {
            "PATH": os.environ["PATH"],
            "KUBERNETES_SERVICE_HOST": server.hostname or "",
            "KUBERNETES_SERVICE_PORT": str(server.port),
            "LOGITS_KUBERNETES_CREDENTIALS": str(self.directory / "credentials"),
            "LOGITS_DATA_DIRECTORY": str(self.directory / "volume"),
            "LOGITS_LISTEN_ADDRESS": "127.0.0.1",
            "LOGITS_HTTP_PORT": str(PORTS["http"]),
            "LOGITS_METRICS_PORT": str(PORTS["metrics"]),
            "LOGITS_TLS_PORT": "0",
            "LOGITS_NAMESPACE": NAMESPACE,
            "LOGITS_ENV_ID": VALUES["ENV_ID"],
            "LOGITS_ENV_KEY": VALUES["ENV_KEY"],
            "LOGITS_OPS_API_URL": VALUES["OPS_API_URL"],
            "LOGITS_IMAGES_ROOT": VALUES["IMAGES_ROOT"],
            "LOGITS_DIRECTOR_ROOT": VALUES["DIRECTOR_ROOT"],
            **self.settings,
        }
        (self.directory / "volume").mkdir(exist_ok=True)
        with (self.directory / "gateway.log").open("ab") as log:
            command = [sys.executable, "-m", "logits_gateway"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        ready, deadline = f"http://127.0.0.1:{PORTS['metrics']}/readyz", time.monotonic() + 60
        while not _answers(ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((self.directory / "gateway.log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """End the Gateway; by SIGKILL if wanted."""
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(60)
            self.process = None

    def names(self, prefix: str) -> set[str]:
        """ConfigMaps on the API server, as the administrator sees them."""
        listed: dict[str, Any] = json.loads(kubectl("get", "configmaps", "--output", "json"))
        names = (cast("str", item["metadata"]["name"]) for item in listed["items"])
        return {name for name in names if name.startswith(prefix)}

    def remove(self) -> None:
        """Take everything away again."""
        self.stop()
        for kind in ("clusterrole", "clusterrolebinding"):
            kubectl("delete", kind, "logits-gateway-logits-bench", "--ignore-not-found", check=False)
        kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
