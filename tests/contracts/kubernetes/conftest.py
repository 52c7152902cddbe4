"""The clusters that the contract holds for: the embedded one always, a real one when it is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.kubernetes.cluster import Cluster, embedded, real

REAL = "LOGITS_TEST_KUBECONFIG"
CLUSTERS = ["embedded", pytest.param("real", marks=pytest.mark.kubernetes)] if os.environ.get(REAL) else ["embedded"]


@pytest.fixture(scope="session", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster."""
    directory = tmp_path_factory.mktemp("cluster")
    source = embedded(directory) if request.param == "embedded" else real(Path(os.environ[REAL]), directory)
    with source as found:
        yield found


@dataclass(frozen=True)
class Namespace:
    """A namespace of the test's own, and paths in it."""

    cluster: Cluster
    name: str

    def core(self, plural: str, name: str = "", subresource: str = "") -> str:
        """A path in the core group."""
        return _joined(f"/api/v1/namespaces/{self.name}/{plural}", name, subresource)

    def apps(self, plural: str, name: str = "", subresource: str = "") -> str:
        """A path in the apps group."""
        return _joined(f"/apis/apps/v1/namespaces/{self.name}/{plural}", name, subresource)

    def rbac(self, plural: str, name: str = "") -> str:
        """A path in the RBAC group."""
        return _joined(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.name}/{plural}", name, "")


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


@pytest.fixture
def ns(cluster: Cluster) -> Iterator[Namespace]:
    """A fresh namespace with its default ServiceAccount; deleted afterwards."""
    made = cluster.create("/api/v1/namespaces", {"metadata": {"generateName": "contract-"}})
    name = made["metadata"]["name"]
    found = Namespace(cluster, name)
    for plural in ("serviceaccounts", "configmaps"):
        cluster.wait(found.core(plural), bool)
    yield found
    cluster.delete(f"/api/v1/namespaces/{name}")
