"""The Ingress Service as programs in the cluster see it: a completion streams to a pod on every node."""

from __future__ import annotations

import json
import uuid

import pytest

from cluster.under_test import CUSTOMER, Platform, eventually
from platforms import REAL_SECONDS

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(REAL_SECONDS)]

CALLER = """
import json, urllib.request

body = {"model": "logits-demo", "stream": True, "messages": [{"role": "user", "content": "What is Logits?"}]}
request = urllib.request.Request(
    "http://logits-ingress-proxy/api/v1/chat/completions",
    json.dumps(body).encode(),
    {"content-type": "application/json"},
)
with urllib.request.urlopen(request, timeout=60) as answer:
    for line in answer:
        if line.startswith(b"data: "):
            print(line.decode().removeprefix("data: ").strip(), flush=True)
"""


def _pod(name: str, node: str, image: str) -> dict[str, object]:
    container = {
        "name": "caller",
        "image": image,
        "command": ["python3", "-c", CALLER],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "nodeSelector": {"kubernetes.io/hostname": node},
        "securityContext": security,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _nodes(platform: Platform) -> list[str]:
    listed = json.loads(platform.kubectl("get", "nodes", "-o", "json"))
    return [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in listed["items"]]


def _ended(platform: Platform, name: str) -> bool:
    phase = platform.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
    return phase in ("Succeeded", "Failed")


def test_a_completion_streams_through_the_service_on_every_node(real: Platform) -> None:
    image = real.images["ingress-proxy"]
    names = {f"caller-{uuid.uuid4().hex[:8]}": node for node in _nodes(real)}
    try:
        for name, node in names.items():
            real.apply(_pod(name, node, image))
        for name in names:
            eventually(lambda name=name: _ended(real, name), f"{name} to end", seconds=120)
            events = real.kubectl("logs", name).splitlines()
            assert events[-1:] == ["[DONE]"], events
            chunks = [json.loads(event) for event in events[:-1]]
            pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]]
            assert sum(map(bool, pieces)) > 3
            assert "".join(pieces).strip()
    finally:
        real.kubectl("delete", "pod", *names, "--ignore-not-found", "--grace-period=0", "--force")


def test_the_ingress_is_a_service_with_a_cluster_address(real: Platform) -> None:
    service = json.loads(real.kubectl("get", "service", "logits-ingress-proxy", "-o", "json", namespace=CUSTOMER))
    assert service["spec"]["type"] == "ClusterIP"
    assert [port["port"] for port in service["spec"]["ports"]] == [80]
