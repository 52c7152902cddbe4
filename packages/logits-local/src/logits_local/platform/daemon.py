"""The daemon behind `logits up`: the API server and everything that makes it a cluster, in one process."""

from __future__ import annotations

import os
import signal
import sysconfig
from datetime import UTC, datetime

import anyio
from prometheus_client import CollectorRegistry

from logits_core.errors import ErrorCode, LogitsError
from logits_local.api import ApiServer
from logits_local.network import shim_directory
from logits_local.network.endpoints import HostForward
from logits_local.nodes.images import ImageCatalogue
from logits_local.nodes.settings import KubeletSettings
from logits_local.platform.cluster import EmbeddedCluster
from logits_local.platform.cluster_settings import (
    CUSTOMER_NAMESPACE,
    VENDOR_NAMESPACE,
    ClusterSettings,
)
from logits_local.platform.components import version
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.process import READY
from logits_shell.kubernetes.client import KubernetesClient
from logits_shell.kubernetes.credentials import StaticToken, trust
from logits_shell.log import ExportStream, Logger


def host_forwards(settings: ClusterSettings) -> tuple[HostForward, ...]:
    """The three ports of this machine that lead into the cluster."""
    return (
        HostForward(settings.port, CUSTOMER_NAMESPACE, "logits-ingress-proxy"),
        HostForward(settings.accounts_port, VENDOR_NAMESPACE, "logits-accounts"),
        HostForward(settings.ops_api_port, VENDOR_NAMESPACE, "logits-ops-api"),
    )


def daemon_log(version: str) -> Logger:
    """The daemon's log goes to its standard output alone: nothing collects it."""
    return Logger("embedded-cluster", version, ExportStream("0", 1, lambda: None), registry=CollectorRegistry())


async def run_daemon(data: DataDirectory, ready_fd: int | None) -> None:
    """Run the whole cluster of a data directory until SIGTERM or SIGINT.

    Args:
        data: a complete data directory with cluster settings.
        ready_fd: where ``ready`` is written once everything runs.

    Raises:
        LogitsError: the directory or a port is in use.
    """
    data.hold()
    os.chdir("/")  # so that no directory of the caller's is kept in use
    settings = ClusterSettings.load(data.cluster)
    if settings is None:
        raise LogitsError(ErrorCode.CORRUPT, f"{data.cluster} is missing; run 'logits up'")
    server = ApiServer(data.root, settings.api_port, log_directory=data.logs)
    log = daemon_log(version())
    client = KubernetesClient(
        server.url,
        StaticToken(server.admin_token),
        verify=trust(server.ca_certificate),
        user_agent="embedded-cluster",
    )
    kubelet = kubelet_settings(data, server, client, log)
    cluster = EmbeddedCluster(kubelet, host_forwards(settings), settings.gpus)
    await cluster.open()
    listening = anyio.Event()

    def ready() -> None:
        log.info("the embedded cluster is up")
        if ready_fd is not None:
            os.write(ready_fd, READY)
            os.close(ready_fd)

    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, listening.set)
        await listening.wait()
        group.start_soon(_close_on_signal, cluster, log)
        async with client:  # closed first: the API server waits for its connections to end
            await cluster.run(ready)
        group.cancel_scope.cancel()


async def _close_on_signal(cluster: EmbeddedCluster, log: Logger) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            log.info("stopping every pod")
            cluster.close()


def kubelet_settings(data: DataDirectory, server: ApiServer, client: KubernetesClient, log: Logger) -> KubeletSettings:
    """The kubelet's settings for a data directory and its API server."""
    return KubeletSettings(
        directory=data.root,
        log_directory=data.logs,
        ca_file=server.ca_certificate,
        api_port=server.port,
        images=ImageCatalogue(data.images),
        path=f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin",
        shim_directory=shim_directory(),
        client=client,
        clock=lambda: datetime.now(UTC),
        log=log,
    )
