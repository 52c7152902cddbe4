"""A daemon that is killed leaves nothing behind that its successor would double."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from local.embedded import container, pod_manifest
from logits_core.errors import LogitsError
from logits_local.commands.session import connect
from logits_local.nodes.images import Image, ImageCatalogue
from logits_local.nodes.orphans import marked_processes
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.process import start_daemon, stop_daemon
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.reflector import Reflector
from logits_shell.kubernetes.resources import PODS
from ports import free_ports

pytestmark = pytest.mark.anyio
SHELL = "test/shell@sha256:" + "2" * 64


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """A data directory that is ready for a daemon."""
    made = DataDirectory(tmp_path)
    made.complete()
    ClusterSettings(port=free_ports(3), gpus=0, api_port=free_ports()).save(made.cluster)
    # A shell, not Python: it doesn't ask the kernel to die with its kubelet.
    ImageCatalogue(made.images).add({SHELL: Image(("/bin/sh", "-c"), {})})
    return made


@asynccontextmanager
async def client_of(data: DataDirectory) -> AsyncGenerator[KubernetesClient]:
    settings = ClusterSettings.load(data.cluster)
    assert settings is not None
    async with connect(data, settings) as client:
        yield client


async def running_pod(client: KubernetesClient, restarts: int) -> dict[str, Any]:
    """The only pod, once it runs and was restarted that often."""
    pods = Reflector(client, PODS)
    async with anyio.create_task_group() as group:
        group.start_soon(pods.run)
        with anyio.fail_after(20):
            while True:
                seen = pods.changes.count
                for pod in pods.objects.values():
                    status = container(pod)
                    if "running" in status.get("state", {}) and status["restartCount"] == restarts:
                        group.cancel_scope.cancel()
                        return pod
                await pods.wait_change(seen)
    raise AssertionError("not reached")


def test_a_port_that_is_taken_meanwhile_stops_the_daemon(data: DataDirectory) -> None:
    settings = ClusterSettings.load(data.cluster)
    assert settings is not None
    with socket.create_server(("127.0.0.1", settings.ops_api_port)):
        with pytest.raises(LogitsError, match=f"port {settings.ops_api_port} for logits-ops-api is in use") as refused:
            start_daemon(data, attached=False)
    assert "Traceback" not in str(refused.value)
    assert data.running_pid() is None


def test_the_daemon_holds_nothing_that_its_caller_had_open(data: DataDirectory, tmp_path: Path) -> None:
    lock = os.open(tmp_path / "callers.lock", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start_daemon(data, attached=False)
    finally:
        os.close(lock)
    try:
        with (tmp_path / "callers.lock").open() as again:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        stop_daemon(data)


async def test_orphans_of_a_killed_daemon_are_ended_not_doubled(data: DataDirectory) -> None:
    pid = start_daemon(data, attached=False)
    try:
        async with client_of(data) as client:
            manifest = pod_manifest("p", "sleep 600 & sleep 600", image=SHELL)
            await client.create(PODS, manifest, namespace="default")
            await running_pod(client, restarts=0)
        before = marked_processes(data.root)
        assert len(before) >= 2
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        await anyio.wait_readable(handle)
        os.close(handle)
        assert data.running_pid() is None
        start_daemon(data, attached=False)
        async with client_of(data) as client:
            await running_pod(client, restarts=1)
        after = marked_processes(data.root)
        assert after
        assert not set(before) & set(after)
    finally:
        stop_daemon(data)
    assert not marked_processes(data.root)


async def test_a_second_daemon_on_the_same_directory_is_refused(data: DataDirectory) -> None:
    start_daemon(data, attached=False)
    try:
        with pytest.raises(LogitsError, match="already runs"):
            start_daemon(data, attached=False)
    finally:
        assert stop_daemon(data)
    assert not stop_daemon(data)
