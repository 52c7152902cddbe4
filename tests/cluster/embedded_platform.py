"""Logits on the embedded cluster: `logits up` in a directory of its own, on free ports."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.under_test import Platform
from logits_core.rollout import Release
from logits_local.nodes.images import Image, ImageCatalogue
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.components import component_image
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.invented import InventedSecrets
from logits_local.platform.release import release_desk
from ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
LOGITS = [sys.executable, "-m", "logits_client.cli"]


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
            platform.apply(_patient_gateway(seconds=15))
            platform.kubectl("rollout", "status", "deployment/logits-gateway", "--timeout=90s")
            yield platform
        finally:
            subprocess.run([*LOGITS, "down", "--data-dir", str(root)], capture_output=True, timeout=120)


def _patient_gateway(seconds: int) -> dict[str, Any]:
    """What of the Gateway's Deployment says how long it waits for a Controller."""
    container = {"name": "gateway", "env": [{"name": "LOGITS_ROLLOUT_DEADLINE_SECONDS", "value": str(seconds)}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "logits-gateway"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def _connected(data: DataDirectory) -> Platform:
    invented = InventedSecrets.load(data.secrets)
    settings = ClusterSettings.load(data.cluster)
    assert settings is not None
    desk = release_desk(data.root)
    listed = desk.directory.targets()
    assert listed is not None
    (content,) = desk.directory.releases(listed[1]).values()
    return Platform(
        name="embedded",
        url=f"http://127.0.0.1:{settings.port}",
        accounts_url=f"http://127.0.0.1:{settings.accounts_port}",
        ops_api_url=f"http://127.0.0.1:{settings.ops_api_port}",
        operator_token=invented.operator_token,
        env_id=invented.env_id,
        desk=desk,
        images=dict(Release.parse(content).images),
        kubectl_command=[shutil.which("kubectl") or "kubectl", "--kubeconfig", str(data.root / "kubeconfig")],
        variant=_Variants(ImageCatalogue(data.images)),
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
