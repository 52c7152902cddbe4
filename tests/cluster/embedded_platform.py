"""Logits on the embedded cluster: `logits up` in a directory of its own, on free ports."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cluster.under_test import Platform
from logits_core.rollout import Release, SignedRelease
from logits_local.nodes.images import Image, ImageCatalogue
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.components import component_image
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.invented import InventedSecrets

ROOT = Path(__file__).resolve().parents[2]
LOGITS = [sys.executable, "-m", "logits_client.cli"]


def free_ports(count: int) -> int:
    """The first of so many free ports in a row on this machine."""
    for first in range(21000, 29000, count):
        try:
            for port in range(first, first + count):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


@contextmanager
def embedded_platform() -> Generator[Platform, None, None]:
    """The whole platform, stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="logits-test-") as directory:
        root = Path(directory) / "data"
        port = free_ports(3)
        up = subprocess.run(
            [*LOGITS, "up", "--data-dir", str(root), "--port", str(port)], capture_output=True, text=True, timeout=240
        )
        try:
            assert up.returncode == 0, up.stdout + up.stderr
            platform = _connected(DataDirectory(root))
            # The tests wait for a roll-back: the default deadline is for people.
            platform.kubectl("set", "env", "deployment/logits-gateway", "LOGITS_ROLLOUT_DEADLINE_SECONDS=15")
            platform.kubectl("rollout", "status", "deployment/logits-gateway", "--timeout=90s")
            yield platform
        finally:
            subprocess.run([*LOGITS, "down", "--data-dir", str(root)], capture_output=True, timeout=120)


def _connected(data: DataDirectory) -> Platform:
    invented = InventedSecrets.load(data.secrets)
    settings = ClusterSettings.load(data.cluster)
    assert settings is not None
    envelope = SignedRelease.parse(json.loads((data.root / "release.json").read_text()))
    release = Release.model_validate_json(envelope.payload_bytes())
    return Platform(
        name="embedded",
        url=f"http://127.0.0.1:{settings.port}",
        accounts_url=f"http://127.0.0.1:{settings.accounts_port}",
        ops_api_url=f"http://127.0.0.1:{settings.ops_api_port}",
        operator_token=invented.operator_token,
        env_id=invented.env_id,
        private_key=invented.private_key,
        images=dict(release.images),
        kubectl_command=[shutil.which("kubectl") or "kubectl", "--kubeconfig", str(data.root / "kubeconfig")],
        variant=_Variants(ImageCatalogue(data.images)),
        counter=release.counter,
        storage=_ops_api_volume(data.root),
        facts={"password": invented.password},
    )


def _ops_api_volume(root: Path) -> Path:
    (found,) = (root / "volumes" / "logits-vendor").glob("logits-ops-api-*")
    return found


class _Variants:
    """Further images: the same command, or one that only sleeps, under another digest."""

    def __init__(self, catalogue: ImageCatalogue) -> None:
        self._catalogue = catalogue

    def __call__(self, component: str, version: str, *, never_ready: bool = False) -> str:
        """Add an image to the catalogue and return its reference."""
        digest = hashlib.sha256(f"{component} {version} {never_ready}".encode()).hexdigest()
        image = component_image(component, ROOT / "models")
        if never_ready:
            image = Image((sys.executable, "-c", "import signal; signal.pause()"), {})
        reference = f"logits/{component}@sha256:{digest}"
        self._catalogue.add({reference: image})
        return reference
