"""`logits logs`: what a component writes, from the cluster's own Pod logs."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import click

from logits_core.errors import ErrorCode, LogitsError
from logits_local.commands.session import (
    connect,
    data_directory_option,
    in_one_line,
    running_cluster,
)
from logits_local.controllers.objects import name, namespace
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.components import CUSTOMER_COMPONENTS, VENDOR_COMPONENTS
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.process import tail
from logits_local.platform.readiness import COMPONENT
from logits_shell.kubernetes.resources import PODS

_CLUSTER = "cluster"


@click.command("logs")
@click.argument("component", type=click.Choice([*CUSTOMER_COMPONENTS, *VENDOR_COMPONENTS, _CLUSTER]))
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--tail", "tail_lines", type=click.IntRange(0), default=200, show_default=True, help="Lines.")
@data_directory_option
@in_one_line
def logs(*, component: str, follow: bool, tail_lines: int, data_dir: Path) -> None:
    """Print the log of COMPONENT; `cluster` is the embedded cluster itself."""
    data = DataDirectory(data_dir.expanduser().absolute())
    if component == _CLUSTER:
        click.echo(tail(data.daemon_log, tail_lines))
        return
    try:
        anyio.run(_print, data, running_cluster(data), component, follow, tail_lines)
    except KeyboardInterrupt:
        sys.exit(130)


async def _print(data: DataDirectory, settings: ClusterSettings, component: str, follow: bool, tail_lines: int) -> None:
    async with connect(data, settings) as client:
        pods = (await client.list(PODS, label_selector=f"{COMPONENT}={component}")).items
        if not pods:
            raise LogitsError(ErrorCode.NOT_FOUND, f"no pod runs {component} now; 'logits status' shows what runs")
        async with anyio.create_task_group() as group:
            for pod in pods:
                chunks = client.pod_log(name(pod), namespace=namespace(pod), follow=follow, tail_lines=tail_lines)
                group.start_soon(_copy, chunks, group.cancel_scope)


async def _copy(chunks: AsyncGenerator[bytes], everything: anyio.CancelScope) -> None:
    """Print what comes; a reader that leaves, such as ``head``, ends the command without a complaint."""
    try:
        async with aclosing(chunks) as stream:
            async for chunk in stream:
                click.echo(chunk, nl=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at exit
        everything.cancel()
