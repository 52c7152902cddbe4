"""The clusters that the client's contract is tested on: the embedded one, and a real one if given."""

from __future__ import annotations

import base64
import os
import ssl
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from logits_shell.kubernetes import NAMESPACES, KubernetesClient, NoCredentials, StaticToken, trust
from simulators.gateway_clusters import embedded_cluster

REAL = "LOGITS_TEST_KUBECONFIG"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kubernetes)])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KubernetesClient]:
    """An administrator's client."""
    if request.param == "real":
        if REAL not in os.environ:
            pytest.skip(f"{REAL} names no kubeconfig of a real cluster")
        async with _real(_text(os.environ[REAL]), tmp_path) as found:
            yield found
    else:
        async with embedded_cluster(tmp_path / "cluster") as found:
            yield found.admin


@pytest.fixture
async def namespace(client: KubernetesClient) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"client-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await client.delete(NAMESPACES, name)


@asynccontextmanager
async def _real(kubeconfig: str, directory: Path) -> AsyncGenerator[KubernetesClient]:
    config = yaml.safe_load(kubeconfig)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = _material(cluster, "certificate-authority", directory)
    context: ssl.SSLContext = trust(authority)
    if "token" in user:
        credentials: Any = StaticToken(user["token"])
    else:
        credentials = NoCredentials()
        context.load_cert_chain(
            _material(user, "client-certificate", directory), _material(user, "client-key", directory)
        )
    async with KubernetesClient(cluster["server"], credentials, verify=context) as client:
        yield client


def _text(path: str) -> str:
    return Path(path).read_text()


def _material(source: dict[str, str], key: str, directory: Path) -> Path:
    if key in source:
        return Path(source[key])
    path = directory / key
    path.write_bytes(base64.b64decode(source[f"{key}-data"]))
    return path
