"""A real Kubernetes cluster for the chain: started here, or given by a kubeconfig and a load command.

- ``LOGITS_TEST_KUBECONFIG`` and ``LOGITS_TEST_LOAD``: any cluster with kubectl and helm at hand, one of
  whose nodes offers ``nvidia.com/gpu``, and the command that loads an image archive into it, such as
  ``kind load image-archive``. With ``LOGITS_TEST_KUBE_AUDIT``, the file of its API server's own audit
  log, that log is joined with the Gateway's.
- ``CLUSTER``: a program with ``check``, ``up``, ``down``, ``env``, ``base``, ``load`` and ``gpus`` that
  runs a cluster of its own (default: ``../shared/cluster/cluster`` beside the checkout); ``make
  test-kubernetes`` starts it when no other cluster is given.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
GPU_NODE = "node-b"


@dataclass(frozen=True)
class RealCluster:
    """A cluster, ready to take images.

    Attributes:
        kubeconfig: administrator's access.
        load: command that loads one archive; the path is appended.
        path: directories of kubectl and helm, before the system's.
        command: the program that runs the cluster; empty for a given one.
    """

    kubeconfig: Path
    load: list[str]
    path: str
    command: str

    @property
    def audit_log(self) -> Path | None:
        """The API server's own audit log, where it is known."""
        if self.command:
            return self.kubeconfig.with_name("audit.log")
        given = os.environ.get("LOGITS_TEST_KUBE_AUDIT")
        return Path(given) if given else None

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl and helm need."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": self.path}

    def run(self, *arguments: str, seconds: float = 300) -> str:
        """Run a program with this cluster's environment."""
        done = subprocess.run(
            arguments, env=self.environment, capture_output=True, text=True, timeout=seconds, cwd=ROOT
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def load_archive(self, archive: Path) -> None:
        """Put an image archive where the nodes find it."""
        subprocess.run([*self.load, str(archive)], check=True, capture_output=True, timeout=300)


def _default_command() -> str:
    return os.environ.get("CLUSTER") or str(ROOT.parent / "shared" / "cluster" / "cluster")


def obstacle() -> str:
    """Why no real cluster can be used here; empty when one can."""
    if os.environ.get("LOGITS_TEST_KUBECONFIG"):
        return "" if os.environ.get("LOGITS_TEST_LOAD") else "LOGITS_TEST_LOAD isn't set"
    command = _default_command()
    if not Path(command).is_file():
        return "no cluster program is at hand: set CLUSTER, or LOGITS_TEST_KUBECONFIG and LOGITS_TEST_LOAD"
    check = subprocess.run([command, "check"], capture_output=True, text=True, timeout=60)
    return "" if check.returncode == 0 else f"{command} check: {check.stdout.strip() or check.stderr.strip()}"


def start() -> RealCluster:
    """The given cluster, or a new one with two nodes of which one offers a GPU."""
    given = os.environ.get("LOGITS_TEST_KUBECONFIG")
    if given:
        load = shlex.split(os.environ["LOGITS_TEST_LOAD"])
        return RealCluster(Path(given), load, os.environ["PATH"], "")
    command = _default_command()
    subprocess.run([command, "down"], check=True, capture_output=True, timeout=120)
    environment = {**os.environ, "CLUSTER_NODES": "2"}
    up = subprocess.run([command, "up"], env=environment, capture_output=True, text=True, timeout=180)
    if up.returncode:
        raise AssertionError(f"the cluster did not start: {up.stderr}")
    exported = dict(
        shlex.split(line.removeprefix("export "))[0].split("=", 1)
        for line in up.stdout.splitlines()
        if line.startswith("export ") and "PATH=" not in line
    )
    path = f"{exported['CLUSTER_BIN']}:{os.environ['PATH']}"
    if not _has_base_image():
        subprocess.run([command, "base", BASE_IMAGE], check=True, capture_output=True, timeout=600)
    cluster = RealCluster(Path(exported["KUBECONFIG"]), [command, "load"], path, command)
    subprocess.run([command, "gpus", "1", GPU_NODE], check=True, capture_output=True, timeout=60)
    return cluster


def stop(cluster: RealCluster) -> None:
    """Remove the cluster if it was started here."""
    if cluster.command:
        subprocess.run([cluster.command, "down"], check=False, capture_output=True, timeout=180)


def _has_base_image() -> bool:
    listed = subprocess.run(["buildah", "images", "-q", BASE_IMAGE], capture_output=True, text=True, timeout=60)
    return listed.returncode == 0 and bool(listed.stdout.strip())


def build_images(output: Path) -> dict[str, str]:
    """Every app's image: component -> reference by digest."""
    ready = os.environ.get("LOGITS_TEST_IMAGES")
    if ready:
        output = Path(ready)
    if not (output / "images.json").exists():
        output.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "apps/build_images.py", str(output)], cwd=ROOT, check=True, timeout=1500)
    return json.loads((output / "images.json").read_text())


def archive(output: Path) -> Path:
    """The archive with all images."""
    return Path(os.environ.get("LOGITS_TEST_IMAGES") or output) / "images.tar"
