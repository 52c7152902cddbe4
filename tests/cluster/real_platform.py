"""Logits on a real cluster: images built and loaded, both charts installed by helm, a model enabled."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from cluster.port_forward import PortForward, kubectl_for
from cluster.real_cluster import ROOT, RealCluster, archive, build_images, start
from cluster.under_test import CUSTOMER, VENDOR, Platform, eventually
from logits_local.platform.release import release_desk

VERSION = "0.1.0"
MODEL: dict[str, Any] = {
    "displayName": "Logits demo",
    "engine": "llamacpp",
    "source": "/app/own/models/logits-demo/logits-demo.gguf",
}
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@contextmanager
def real_platform() -> Generator[Platform, None, None]:
    """The whole platform on the given cluster, uninstalled afterwards."""
    with ExitStack() as stack:
        output = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logits-images-")))
        images = build_images(output)
        cluster = start()
        cluster.load_archive(archive(output))
        stack.callback(_uninstall, cluster)
        try:
            platform = _install(stack, cluster, images)
        except AssertionError:
            for what in ("pods", "events"):
                sys.stderr.write(cluster.run("kubectl", "get", what, "--all-namespaces", "-o", "wide"))
            raise
        yield platform


def _uninstall(cluster: RealCluster) -> None:
    for release, namespace in (("logits", CUSTOMER), ("logits-vendor", VENDOR)):
        cluster.run("helm", "uninstall", release, "--namespace", namespace, "--ignore-not-found")
        cluster.run("kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
    cluster.run("kubectl", "wait", "--for=delete", f"namespace/{CUSTOMER}", f"namespace/{VENDOR}", "--timeout=120s")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _install(stack: ExitStack, cluster: RealCluster, images: dict[str, str]) -> Platform:
    env_id, env_key = str(uuid.uuid4()), f"{secrets.token_hex(4)}.{secrets.token_hex(16)}"
    operator, password = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    for namespace in (VENDOR, CUSTOMER):
        cluster.run("kubectl", "create", "namespace", namespace)
        cluster.run("kubectl", "label", "namespace", namespace, RESTRICTED)
    environment = {"name": "test", "envID": env_id, "envKey": env_key}
    desk = release_desk(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logits-keys-"))))
    account = {"password": password, "environment": environment}
    _install_vendor(cluster, images, operator, account, desk.ring.directory / "director.pem")
    kubectl = kubectl_for(cluster.kubeconfig, shutil.which("kubectl", path=cluster.path) or "kubectl")
    forwards = {
        name: PortForward(kubectl, namespace, f"logits-{name}", port)
        for name, namespace, port in (
            ("ops-api", VENDOR, 8080),
            ("accounts", VENDOR, 8080),
            ("ingress-proxy", CUSTOMER, 80),
        )
    }
    for forward in forwards.values():
        stack.callback(forward.close)
    platform = Platform(
        name="real",
        url=forwards["ingress-proxy"].url,
        accounts_url=forwards["accounts"].url,
        ops_api_url=forwards["ops-api"].url,
        operator_token=operator,
        env_id=env_id,
        desk=desk,
        images=images,
        kubectl_command=kubectl,
        variant=_Variants(cluster),
        facts={"password": password},
    )
    platform.images = {name: ref for name, ref in images.items() if name not in ("accounts", "ops-api", "gateway")}
    _first_answer(cluster, platform, env_key, images["gateway"])
    return platform


def _install_vendor(
    cluster: RealCluster, images: dict[str, str], operator: str, account: dict[str, Any], director: Path
) -> None:
    service = secrets.token_urlsafe(24)
    bootstrap = {"email": "you@logits.local", "organisation": "Test", **account}
    _helm(
        cluster,
        "logits-vendor",
        VENDOR,
        {
            "images.accounts": images["accounts"],
            "images.opsApi": images["ops-api"],
            "operatorTokenSha256": _sha256(operator),
            "serviceToken": service,
            "serviceTokenSha256": _sha256(service),
            "bootstrap": base64.b64encode(json.dumps(bootstrap).encode()).decode(),
            "developmentMailbox": "true",
        },
        f"--set-file=directorKey={director}",
    )


def _first_answer(cluster: RealCluster, platform: Platform, env_key: str, gateway: str) -> None:
    eventually(lambda: platform.operator("GET", f"/operator/v1/environments/{platform.env_id}").is_success, "Accounts")
    platform.release(VERSION, platform.images)
    began = time.monotonic()
    _helm(
        cluster,
        "logits",
        CUSTOMER,
        {
            "envID": platform.env_id,
            "envKey": env_key,
            "image": gateway,
            "opsApi.url": f"http://logits-ops-api.{VENDOR}:8080",
            "release.roots.images": f"sha256:{platform.desk.directory.pins().images}",
            "release.roots.director": f"sha256:{platform.desk.directory.pins().director}",
            "rolloutDeadlineSeconds": "20",
        },
    )
    eventually(lambda: platform.get("/entities/modeldeployments")["items"] is not None, "the Entity DB", seconds=120)
    _create(platform, "languagemodels", "logits-demo", MODEL)
    _create(platform, "modeldeployments", "logits-demo", {"model": "logits-demo", "enabled": True})
    eventually(platform.answers, "the first answer", seconds=120)
    platform.facts["helm install to first answer"] = f"{time.monotonic() - began:.1f} s"
    sys.stderr.write(f"\nhelm install to first answer: {platform.facts['helm install to first answer']}\n")


def _create(platform: Platform, plural: str, name: str, spec: dict[str, Any]) -> None:
    body = {"metadata": {"name": name}, "spec": spec}
    answer = httpx.post(f"{platform.url}/entities/{plural}", json=body, timeout=10, trust_env=False)
    assert answer.status_code in (201, 409), answer.text


def _helm(cluster: RealCluster, release: str, namespace: str, values: dict[str, str], *more: str) -> None:
    chart = ROOT / "helm" / ("vendor" if namespace == VENDOR else "gateway")
    settings = [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]
    cluster.run("helm", "install", release, str(chart), "--namespace", namespace, *settings, *more)


class _Variants:
    """Further images of a component, built upon the first one."""

    def __init__(self, cluster: RealCluster) -> None:
        self._cluster = cluster

    def __call__(self, component: str, version: str, *, never_ready: bool = False) -> str:
        """Build, load and return the reference."""
        from importlib.util import module_from_spec, spec_from_file_location

        spec = spec_from_file_location("build_images", ROOT / "apps/build_images.py")
        assert spec is not None
        assert spec.loader is not None
        builder = module_from_spec(spec)
        spec.loader.exec_module(builder)
        name = f"localhost/logits/{component}:{version}"
        recipe = f"FROM localhost/logits/{component}:{VERSION}\nLABEL org.opencontainers.image.version={version}\n"
        if never_ready:
            recipe += 'ENTRYPOINT ["sleep", "infinity"]\n'
        with tempfile.TemporaryDirectory() as context:
            Path(context, "Dockerfile").write_text(recipe)
            build = ["buildah", "bud", "--quiet", "--isolation", "chroot", "-t", name, context]
            subprocess.run(build, check=True, capture_output=True, timeout=300)
        with tempfile.TemporaryDirectory() as place:
            layout, archive = Path(place, "layout"), Path(place, "image.tar")
            reference: str = builder.push(name, layout)
            builder.pack(layout, archive)
            self._cluster.load_archive(archive)
        return reference
