"""`logits up`: from nothing to the first answer, and again from wherever the last one stopped."""

from __future__ import annotations

import os
import select
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import anyio
import click
from rich.console import Console
from rich.markup import escape

from logits_core.errors import ErrorCode, LogitsError
from logits_local.commands.session import (
    connect,
    data_directory_option,
    in_one_line,
    require_linux,
)
from logits_local.platform.chain import Chain
from logits_local.platform.cluster_settings import ClusterSettings, free_port, require_free
from logits_local.platform.components import checkout
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.invented import ACCOUNT_EMAIL, InventedSecrets
from logits_local.platform.models import ModelFile, demo_model, own_model
from logits_local.platform.process import start_daemon, stop_daemon
from logits_local.platform.stages import Stages

_DEFAULT_PORT = 8080
_PLATFORM_PORTS = 3


@click.command("up")
@data_directory_option
@click.option(
    "--port",
    type=click.IntRange(1024, 65535 - _PLATFORM_PORTS),
    help=f"Port of the platform; Accounts and the Ops API take the next two "
    f"[default: that of the last start, or {_DEFAULT_PORT}].",
)
@click.option(
    "--gpus",
    type=click.IntRange(0, 64),
    help="Pretended GPUs for scheduling; every model needs one [default: one per model].",
)
@click.option(
    "--model",
    "model_file",
    type=click.Path(path_type=Path),
    help="A GGUF model of your own, enabled beside the demo.",
)
@click.option("--foreground", is_flag=True, help="Stay attached; Ctrl-C stops everything.")
@in_one_line
def up(*, data_dir: Path, port: int | None, gpus: int | None, model_file: Path | None, foreground: bool) -> None:
    """Run all of Logits on this machine and leave it running."""
    require_linux()
    models = [demo_model(), *([own_model(model_file)] if model_file else [])]
    data = DataDirectory(data_dir.expanduser().absolute())
    console = Console(highlight=False)
    stages = Stages(console, time.monotonic)
    invented = _opened(data)
    settings = _settings(data, port=port, gpus=gpus, models=models)
    with stages.stage("Embedded Kubernetes cluster"):
        pid = data.running_pid() or start_daemon(data, attached=foreground)
    with ExitStack() as stack:
        if foreground:
            stack.callback(stop_daemon, data)

        async def go() -> str:
            async with connect(data, settings) as client:
                return await Chain(data, settings, invented, client, checkout(), stages).run(models)

        _tell(console, data, settings, invented, anyio.run(go))
        if foreground:
            _stay(console, pid)


def _opened(data: DataDirectory) -> InventedSecrets:
    """The data directory's secrets, invented now if it is new."""
    if not data.prepare():
        return InventedSecrets.load(data.secrets)
    invented = InventedSecrets.invent()
    invented.save(data.secrets)
    data.complete()
    return invented


def _settings(data: DataDirectory, *, port: int | None, gpus: int | None, models: list[ModelFile]) -> ClusterSettings:
    """The settings of the cluster that runs, or those to start one with."""
    last = ClusterSettings.load(data.cluster)
    if last is not None and data.running_pid() is not None:
        _require_same(data, last, port, gpus, models)
        return last
    chosen = ClusterSettings(
        port=port or (last.port if last else _DEFAULT_PORT),
        gpus=gpus if gpus is not None else max(len(models), last.gpus if last else 0),
        api_port=free_port(last.api_port if last else 0),
    )
    require_free(
        {
            chosen.port: "the platform",
            chosen.accounts_port: "Accounts",
            chosen.ops_api_port: "the Ops API",
        }
    )
    chosen.save(data.cluster)
    return chosen


def _require_same(
    data: DataDirectory, running: ClusterSettings, port: int | None, gpus: int | None, models: list[ModelFile]
) -> None:
    """What runs can't change its ports or GPUs while it runs."""
    asked = {"--port": (port, running.port), "--gpus": (gpus, running.gpus)}
    for option, (wanted, has) in asked.items():
        if wanted is not None and wanted != has:
            raise LogitsError(
                ErrorCode.CONFLICT,
                f"Logits already runs on {data.root} with {option} {has}; "
                f"run 'logits down' before you change it to {wanted}",
            )
    if len(models) > running.gpus:
        raise LogitsError(
            ErrorCode.CONFLICT,
            f"Logits already runs with {running.gpus} pretended GPUs and every model needs one; "
            f"run 'logits down', then 'logits up --gpus {len(models)}' with the same --model",
        )


def _tell(
    console: Console, data: DataDirectory, settings: ClusterSettings, invented: InventedSecrets, answer: str
) -> None:
    url = f"http://127.0.0.1:{settings.port}"
    question = '{"model":"logits-demo","messages":[{"role":"user","content":"What is the Gateway?"}]}'
    console.print()
    if answer:
        console.print(f"[bold]What is the Gateway?[/bold]  {escape(answer)}\n")
    rows = {
        "Console": f"{url}/",
        "API": f"{url}/api/v1",
        "Accounts": f"http://127.0.0.1:{settings.accounts_port}/  {ACCOUNT_EMAIL}  {invented.password}",
        "Ops API": f"http://127.0.0.1:{settings.ops_api_port}/fleet  {invented.operator_token}",
        "envID": invented.env_id,
        "kubectl": f"kubectl --kubeconfig {data.kubeconfig} -n logits get pods",
    }
    for label, text in rows.items():
        console.print(f"  [bold]{label:9}[/bold] {escape(text)}", soft_wrap=True)
    console.print(
        escape(
            f"\n  curl {url}/api/v1/chat/completions -H 'content-type: application/json' \\\n"
            f"       -d '{question}'\n\n"
            "  logits status | logits logs COMPONENT | logits down"
        ),
        soft_wrap=True,
    )


def _stay(console: Console, pid: int) -> None:
    """Wait for the daemon's end or for Ctrl-C."""
    console.print("\n  Ctrl-C stops everything.")
    with suppress(KeyboardInterrupt, ProcessLookupError):
        handle = os.pidfd_open(pid)
        select.select([handle], [], [])
