"""Uninstalling on a real cluster leaves nothing but the volumes; runs after every other test of the chain."""

from __future__ import annotations

import sys

import pytest

from cluster import real_cluster
from cluster.under_test import CUSTOMER, Platform, eventually
from platforms import REAL_SECONDS

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(REAL_SECONDS)]

FIRST_ANSWER_SECONDS = 60
EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
"""What Kubernetes itself puts into a namespace."""


def test_the_first_answer_after_helm_install_is_measured(real: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    figure = real.facts["helm install to first answer"]
    with capsys.disabled():
        sys.stdout.write(f"\nhelm install to first answer: {figure} (the aim is {FIRST_ANSWER_SECONDS} s at most)\n")
    assert figure.endswith(" s")


def _left(platform: Platform) -> set[str]:
    kinds = platform.kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    listed = ",".join(kind for kind in kinds if not kind.startswith("events"))
    found = platform.kubectl("get", listed, "-o", "name", "--ignore-not-found").split()
    return set(found) - EVERY_NAMESPACE


def test_helm_uninstall_leaves_nothing_but_the_volumes(real: Platform) -> None:
    volumes = {name for name in _left(real) if name.startswith("persistentvolumeclaim/")}
    assert {"persistentvolumeclaim/logits-gateway", "persistentvolumeclaim/logits-entity-db"} <= volumes
    real_cluster.start().run("helm", "uninstall", "logits", "--namespace", CUSTOMER)
    eventually(lambda: _left(real) == volumes, "everything but the volumes to go", seconds=120)
    roles = real.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert "logits-gateway" not in roles
