"""Pods of the embedded cluster are real processes that start, answer, restart and end as specified."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from local.embedded import PYTHON, Object, Running, container, embedded_cluster, pod_manifest
from logits_local.controllers.objects import condition, pod_ready
from logits_local.nodes.images import Image
from logits_shell.kubernetes.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
)

pytestmark = pytest.mark.anyio

SERVE = (
    "import http.server, os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200)\n"
    "        self.end_headers()\n"
    "        self.wfile.write(os.environ['POD'].encode())\n"
    "    def log_message(self, *_): pass\n"
    "http.server.HTTPServer((os.environ['IP'], 8080), H).serve_forever()\n"
)
IDENTITY = [
    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
]
READY = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def state(pods: list[Object], name: str, kind: str) -> Any:
    """The pod once its container is in this state."""
    for pod in pods:
        if pod["metadata"]["name"] == name and kind in (container(pod).get("state") or {}):
            return pod
    return None


async def run_to_end(cluster: Running, manifest: Object) -> tuple[Object, str]:
    """Run a pod that doesn't restart and return it with its log."""
    manifest["spec"]["restartPolicy"] = "Never"
    await cluster.create(PODS, manifest)
    name = manifest["metadata"]["name"]
    pod = await cluster.until(lambda pods: state(pods, name, "terminated"))
    return pod, await cluster.log(pod)


async def test_a_pod_sees_its_own_world_and_nothing_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGITS_PORT", "host")
    code = (
        "import json, os\n"
        "volume = open(os.environ['FILE']).read()\n"
        "account = os.listdir(os.environ['ACCOUNT'])\n"
        "print(json.dumps({'env': dict(os.environ), 'volume': volume, 'account': sorted(account)}))"
    )
    manifest = pod_manifest(
        "p",
        code,
        env=[
            *IDENTITY,
            {"name": "FILE", "value": "/etc/cfg/f.txt"},
            {"name": "ACCOUNT", "value": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        volumeMounts=[{"name": "cfg", "mountPath": "/etc/cfg"}],
    )
    manifest["spec"]["volumes"] = [{"name": "cfg", "configMap": {"name": "cfg"}}]
    async with embedded_cluster(tmp_path) as cluster:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cfg"}}
        await cluster.create(CONFIG_MAPS, {**config, "data": {"f.txt": "text"}})
        pod, log = await run_to_end(cluster, manifest)
        seen = json.loads(log)
    assert pod["status"]["phase"] == "Succeeded"
    assert seen["volume"] == "text"
    assert seen["account"] == ["ca.crt", "namespace", "token"]
    assert seen["env"]["POD"] == "p"
    assert seen["env"]["IP"] == pod["status"]["podIP"]
    assert seen["env"]["FROM_IMAGE"] == "yes"
    assert not [key for key in seen["env"] if key.startswith("LOGITS_")]


async def test_an_image_may_lie_below_a_path_that_a_pod_mounts(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    image = "test/elsewhere@sha256:" + "e" * 64
    manifest = pod_manifest("p", "print('started')", volumeMounts=[{"name": "t", "mountPath": str(tmp_path.parent)}])
    manifest["spec"]["volumes"] = [{"name": "t", "emptyDir": {}}]
    manifest["spec"]["containers"][0]["image"] = image
    async with embedded_cluster(tmp_path) as cluster:
        cluster.settings.images.add({image: Image((str(interpreter), "-c"), {})})
        _, log = await run_to_end(cluster, manifest)
    assert log == "started\n"


async def test_a_service_name_leads_to_the_pods_of_a_deployment(tmp_path: Path) -> None:
    template = pod_manifest("web", SERVE, env=IDENTITY, readinessProbe=READY)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": template["spec"]},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8000, "targetPort": 8080}]},
    }
    ask = (
        "import asyncio, urllib.request\n"
        "asked = [urllib.request.urlopen('http://web:8000/').read().decode() for _ in range(4)]\n"
        "async def connect(host):\n"
        "    reader, writer = await asyncio.open_connection(host, 8000)\n"
        "    writer.close()\n"
        "asyncio.run(connect('web.default'))\n"
        "asyncio.run(connect('web.default.svc.cluster.local'))\n"
        "print(*sorted(set(asked)))\n"
    )
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(SERVICES, service)
        await cluster.create(DEPLOYMENTS, deployment)
        pods = await cluster.until(lambda pods: len(ready := [p for p in pods if pod_ready(p)]) == 2 and ready)
        _, log = await run_to_end(cluster, pod_manifest("client", ask))
        assert log.split() == sorted(pod["metadata"]["name"] for pod in pods)
        assert len({pod["status"]["podIP"] for pod in pods}) == 2


async def test_a_crashing_container_is_restarted_with_back_off_and_keeps_its_last_words(
    tmp_path: Path,
) -> None:
    async with embedded_cluster(tmp_path) as cluster:
        manifest = pod_manifest(
            "p",
            "import sys; sys.exit('out of luck')",
            terminationMessagePolicy="FallbackToLogsOnError",
        )
        await cluster.create(PODS, manifest)

        def crash_loop(pods: list[Object]) -> Object | None:
            pod = state(pods, "p", "waiting")
            waiting = pod and container(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            return pod if waiting else None

        pod = await cluster.until(crash_loop)
        assert container(pod)["restartCount"] >= 1
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 1
        assert container(pod)["lastState"]["terminated"]["message"] == "out of luck"
        assert not pod_ready(pod)


async def test_an_unknown_image_and_a_missing_secret_are_waited_for(tmp_path: Path) -> None:
    def waits(pods: list[Object], name: str, reason: str) -> Any:
        pod = state(pods, name, "waiting")
        return pod and container(pod)["state"]["waiting"]["reason"] == reason and pod

    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("a", "pass", image="none@sha256:" + "1" * 64))
        reference = {"secretKeyRef": {"name": "later", "key": "k"}}
        late = pod_manifest("b", "print('ok')", env=[{"name": "K", "valueFrom": reference}])
        await cluster.create(PODS, late)
        await cluster.until(lambda pods: waits(pods, "a", "ErrImageNeverPull"))
        await cluster.until(lambda pods: waits(pods, "b", "CreateContainerConfigError"))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later"}, "stringData": {"k": "v"}}
        await cluster.create(SECRETS, secret)
        await cluster.until(lambda pods: state(pods, "b", "running") or _restarted(pods, "b"))


def _restarted(pods: list[Object], name: str) -> bool:
    return any(p["metadata"]["name"] == name and container(p).get("lastState") for p in pods)


async def test_a_deleted_pod_ends_gracefully_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(0)))\n"
        "print('up')\n"
        "time.sleep(60)\n"
    )
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("p", code))
        pod = await cluster.until(lambda pods: state(pods, "p", "running"))
        directory = cluster.settings.pod_directory(pod["metadata"]["uid"])
        assert directory.is_dir()
        await cluster.client.delete(PODS, "p", namespace="default")
        await cluster.until(lambda pods: not pods)
        assert not directory.exists()


async def test_a_stubborn_pod_is_killed_after_its_grace_period(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("p", code))
        await cluster.until(lambda pods: state(pods, "p", "running"))
        await cluster.client.delete(PODS, "p", namespace="default", grace_seconds=1)
        await cluster.until(lambda pods: not pods)


async def test_a_failed_liveness_probe_restarts_the_container(tmp_path: Path) -> None:
    probe = {"httpGet": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("p", "import time; time.sleep(60)", livenessProbe=probe))
        pod = await cluster.until(lambda pods: next((p for p in pods if container(p).get("restartCount")), None))
        assert container(pod)["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGTERM


async def test_claims_outlive_pods_and_clusters(tmp_path: Path) -> None:
    def manifest(name: str, code: str) -> Object:
        made = pod_manifest(
            name,
            code,
            env=[{"name": "DATA", "value": "/data"}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        )
        made["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
        return made

    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    write = "import os; open(os.environ['DATA'] + '/f', 'w').write('kept')"
    read = "import os; print(open(os.environ['DATA'] + '/f').read())"
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PERSISTENT_VOLUME_CLAIMS, claim)
        await run_to_end(cluster, manifest("writer", write))
    async with embedded_cluster(tmp_path) as cluster:
        _, log = await run_to_end(cluster, manifest("reader", read))
        assert log == "kept\n"


async def test_a_cluster_that_returns_restarts_its_pods_under_their_addresses(tmp_path: Path) -> None:
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("p", SERVE, env=IDENTITY, readinessProbe=READY))
        before = await cluster.until(lambda pods: next((p for p in pods if pod_ready(p)), None))
    with socket.socket() as probe:
        assert probe.connect_ex((before["status"]["podIP"], 8080)) != 0
    async with embedded_cluster(tmp_path) as cluster:
        after = await cluster.until(lambda pods: next((p for p in pods if pod_ready(p)), None))
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["status"]["podIP"] == before["status"]["podIP"]
        assert container(after)["restartCount"] == container(before)["restartCount"] + 1


async def test_a_gpu_pod_lands_on_the_gpu_node_and_a_second_one_says_why_not(tmp_path: Path) -> None:
    def gpu(name: str) -> Object:
        return pod_manifest(name, "import time; time.sleep(60)", resources={"limits": {"nvidia.com/gpu": "1"}})

    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, gpu("one"))
        pod = await cluster.until(lambda pods: state(pods, "one", "running"))
        assert pod["spec"]["nodeName"] == "local-gpu"
        await cluster.create(PODS, gpu("two"))

        def refused(pods: list[Object]) -> str | None:
            entries = [condition(p, "PodScheduled") for p in pods if p["metadata"]["name"] == "two"]
            return next((e["message"] for e in entries if e and e["status"] == "False"), None)

        assert await cluster.until(refused) == "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
        await cluster.client.delete(PODS, "one", namespace="default", grace_seconds=1)
        await cluster.until(lambda pods: state(pods, "two", "running"))


async def test_a_killed_process_comes_back_at_once(tmp_path: Path) -> None:
    async with embedded_cluster(tmp_path) as cluster:
        await cluster.create(PODS, pod_manifest("p", SERVE, env=IDENTITY, readinessProbe=READY))
        pod = await cluster.until(lambda pods: next((p for p in pods if pod_ready(p)), None))
        os.kill(int(container(pod)["containerID"].removeprefix("process://").split("-")[0]), signal.SIGKILL)
        back = await cluster.until(
            lambda pods: next((p for p in pods if pod_ready(p) and container(p)["restartCount"] == 1), None)
        )
        assert container(back)["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL


async def test_projected_tokens_carry_their_audience(tmp_path: Path) -> None:
    code = (
        "import base64, os\n"
        "body = open(os.environ['TOKEN']).read().split('.')[1]\n"
        "print(base64.urlsafe_b64decode(body + '=' * (-len(body) % 4)).decode())\n"
    )
    manifest = pod_manifest(
        "p",
        code,
        env=[{"name": "TOKEN", "value": "/var/run/secrets/logits/token"}],
        volumeMounts=[{"name": "token", "mountPath": "/var/run/secrets/logits"}],
    )
    source = {"audience": "logits-gateway", "expirationSeconds": 3600, "path": "token"}
    projected = {"sources": [{"serviceAccountToken": source}]}
    manifest["spec"]["volumes"] = [{"name": "token", "projected": projected}]
    async with embedded_cluster(tmp_path) as cluster:
        pod, log = await run_to_end(cluster, manifest)
    claims = json.loads(log)
    assert claims["aud"] == ["logits-gateway"]
    assert claims["kubernetes.io"]["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert PYTHON in pod["spec"]["containers"][0]["image"]
