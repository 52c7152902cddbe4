"""The platform fixture: one running Logits per cluster and test session, shared by all tests that ask for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator

import pytest

from cluster.embedded_platform import embedded_platform
from cluster.real_platform import real_platform
from cluster.under_test import Platform


@pytest.fixture(scope="session")
def embedded() -> Generator[Platform, None, None]:
    """Logits on the embedded cluster."""
    with embedded_platform() as platform:
        yield platform


@pytest.fixture(scope="session")
def real() -> Generator[Platform, None, None]:
    """Logits on a real Kubernetes cluster; skips where none can run."""
    if not os.environ.get("LOGITS_TEST_KUBECONFIG"):
        pytest.skip("no real Kubernetes cluster is given: run `make test-kubernetes`")
    with real_platform() as platform:
        yield platform


# Whichever test comes first waits for its platform; the real one's images are built first.
EMBEDDED_SECONDS, REAL_SECONDS = 400, 1500
CLUSTERS = [
    pytest.param("embedded", marks=[pytest.mark.cluster, pytest.mark.timeout(EMBEDDED_SECONDS)]),
    pytest.param("real", marks=[pytest.mark.kubernetes, pytest.mark.timeout(REAL_SECONDS)]),
]


@pytest.fixture(scope="session", params=CLUSTERS)
def either_platform(request: pytest.FixtureRequest) -> Platform:
    """The platform on each cluster in turn."""
    if request.param == "embedded" and shutil.which("kubectl") is None:
        pytest.skip("kubectl isn't installed; the chain's tests look through it")
    return request.getfixturevalue(str(request.param))
