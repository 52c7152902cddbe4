"""The server as a process: durable under kill, one at a time, quick to expire and to revoke."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from contracts.kubernetes.cluster import Cluster, config_map, embedded, pod
from logits_core.errors import ErrorCode, LogitsError

SERVE = """
import sys, anyio, pathlib
from logits_local.api import ApiServer
async def main():
    server = ApiServer(pathlib.Path(sys.argv[1]))
    await server.serve(lambda: print(server.url, flush=True))
anyio.run(main)
"""
MAPS = "/api/v1/namespaces/default/configmaps"


@contextmanager
def process(directory: Path) -> Generator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The server in a process of its own, and its administrator."""
    command = [sys.executable, "-c", SERVE, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            tls = ssl.create_default_context(cafile=str(directory / "pki" / "ca.crt"))
            headers = {"authorization": f"Bearer {(directory / 'admin.token').read_text()}"}
            with httpx.Client(base_url=url, verify=tls, headers=headers, trust_env=False) as admin:
                yield running, admin
        finally:
            running.kill()


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    with process(tmp_path) as (running, admin):
        made = [admin.post(MAPS, json=config_map(f"c{n}", a=str(n))).json() for n in range(20)]
        admin.request("DELETE", f"{MAPS}/c0")
        revision = admin.get(MAPS).json()["metadata"]["resourceVersion"]
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    with process(tmp_path) as (_, admin):
        listed = admin.get(MAPS).json()
        held = {item["metadata"]["name"]: item for item in listed["items"]}
        assert "c0" not in held
        assert all(held[one["metadata"]["name"]]["metadata"] == one["metadata"] for one in made[1:])
        assert int(listed["metadata"]["resourceVersion"]) >= int(revision)
        with admin.stream("GET", MAPS, params={"watch": "1", "resourceVersion": "1"}) as response:
            event = json.loads(next(response.iter_lines()))
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_second_server_on_the_directory_is_refused(tmp_path: Path) -> None:
    with embedded(tmp_path), pytest.raises(LogitsError) as caught, embedded(tmp_path):
        pass
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert "in use" in caught.value.message


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with embedded(tmp_path / "one") as cluster:
        port = httpx.URL(cluster.url).port
        with pytest.raises(LogitsError, match=f"port {port}"), embedded(tmp_path / "two", port=port):
            pass


def test_a_slow_watch_expires_when_the_history_moves_on(tmp_path: Path) -> None:
    with embedded(tmp_path, history=3) as cluster:
        first = cluster.create(MAPS, config_map("one"))["metadata"]["resourceVersion"]
        for number in range(5):
            cluster.ok(cluster.patch(f"{MAPS}/one", {"data": {"a": str(number)}}))
        with cluster.watch(MAPS, resourceVersion=first) as events:
            kind, status = next(events)
            assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
            assert list(events) == []


def token(cluster: Cluster, **reference: str) -> str:
    """A token of the default account, bound to a Pod."""
    spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", **reference}}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    return cluster.create(path, {"spec": spec})["status"]["token"]


def test_a_token_dies_with_its_pod(tmp_path: Path) -> None:
    pods = "/api/v1/namespaces/default/pods"
    with embedded(tmp_path) as cluster:
        cluster.create(pods, pod("one"))
        with cluster.caller(token(cluster, name="one")) as caller:
            assert caller.get("/openid/v1/jwks").status_code == 200
            cluster.ok(cluster.delete(f"{pods}/one"))
            assert caller.get("/openid/v1/jwks").status_code == 401
            cluster.create(pods, pod("one"))
            assert caller.get("/openid/v1/jwks").status_code == 401


def test_private_files_are_private(tmp_path: Path) -> None:
    with embedded(tmp_path):
        for name in ("admin.token", "kubeconfig", "pki/server.key", "pki/service-accounts.key"):
            assert (tmp_path / name).stat().st_mode & 0o077 == 0, name


def test_a_client_that_knows_nothing_of_us_lists_and_watches(tmp_path: Path) -> None:
    from kubernetes import client, config, watch

    strangers: Any = client
    with embedded(tmp_path) as cluster:
        cast("Any", config).load_kube_config(str(tmp_path / "kubeconfig"))
        core = strangers.CoreV1Api()
        cluster.create(MAPS, config_map("one", a="1"))
        listed = core.list_namespaced_config_map("default")
        assert "one" in {item.metadata.name for item in listed.items}
        core.delete_namespaced_config_map("one", "default")
        watcher = cast("Any", watch).Watch()
        revision = listed.metadata.resource_version
        for event in watcher.stream(
            core.list_namespaced_config_map, "default", resource_version=revision, timeout_seconds=30
        ):
            assert (event["type"], event["object"].metadata.name) == ("DELETED", "one")
            watcher.stop()
        core.api_client.close()
