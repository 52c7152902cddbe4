"""`logits status`: what runs, whether it is ready and where to find it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import click
import httpx
from rich.console import Console
from rich.table import Table

from logits_local.commands.session import (
    connect,
    data_directory_option,
    in_one_line,
    running_cluster,
)
from logits_local.controllers.objects import deleting, name, part, pod_ready
from logits_local.platform.cluster_settings import ClusterSettings
from logits_local.platform.components import CUSTOMER_COMPONENTS, VENDOR_COMPONENTS
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.readiness import component, missing, restarts, state
from logits_shell.kubernetes.resources import PODS, KubernetesObject

_OPTIONAL = frozenset({"llm-server"})
"""Components that need not run for the platform to be well: models may be disabled or asleep."""


@click.command("status")
@data_directory_option
@in_one_line
def status(*, data_dir: Path) -> None:
    """Show each component and model; exit code 1 when something isn't ready."""
    data = DataDirectory(data_dir.expanduser().absolute())
    settings = running_cluster(data)
    pods, models = anyio.run(_observe, data, settings)
    console = Console(highlight=False)
    _show(console, settings, pods, models)
    needed = [item for item in (*VENDOR_COMPONENTS, *CUSTOMER_COMPONENTS) if item not in _OPTIONAL]
    absent = missing(needed, pods)
    for item, why in absent.items():
        console.print(f"[red]{item}[/red] isn't ready: {why}")
    sys.exit(1 if absent else 0)


async def _observe(
    data: DataDirectory, settings: ClusterSettings
) -> tuple[list[KubernetesObject], list[dict[str, Any]]]:
    async with connect(data, settings) as client:
        pods = list((await client.list(PODS)).items)
    try:
        url = f"http://127.0.0.1:{settings.port}/entities/modeldeployments"
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            models = (await http.get(url)).raise_for_status().json()["items"]
    except (httpx.HTTPError, ValueError, KeyError):
        models = list[dict[str, Any]]()
    return pods, models


def _show(
    console: Console, settings: ClusterSettings, pods: list[KubernetesObject], models: list[dict[str, Any]]
) -> None:
    table = Table("COMPONENT", "STATE", "RESTARTS", "POD", box=None, header_style="bold", pad_edge=False)
    for pod in sorted(pods, key=lambda pod: (component(pod), name(pod))):
        if component(pod):
            colour = "green" if pod_ready(pod) else "yellow"
            text = "ending" if deleting(pod) else state(pod)
            table.add_row(component(pod), f"[{colour}]{text}[/]", str(restarts(pod)), name(pod))
    console.print(table)
    for model in models:
        stage = part(model, "status").get("stage", "unknown")
        console.print(f"model [bold]{model['metadata']['name']}[/bold]: {stage}")
    console.print(
        f"Console http://127.0.0.1:{settings.port}/   API http://127.0.0.1:{settings.port}/api/v1   "
        f"Accounts http://127.0.0.1:{settings.accounts_port}/   "
        f"Ops API http://127.0.0.1:{settings.ops_api_port}/fleet",
        soft_wrap=True,
    )
