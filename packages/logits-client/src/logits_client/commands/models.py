"""`logits models`: what is deployed, and switching it on, off, up and down."""

from __future__ import annotations

import click

from logits_client.commands.connection import connect, connection
from logits_client.types import ModelDeployment

ROW = "{:<28} {:<16} {:>9}  {}"


def _print(deployments: list[ModelDeployment]) -> None:
    click.echo(ROW.format("MODEL", "STAGE", "REPLICAS", "WHY"))
    for found in deployments:
        replicas = f"{found.status.ready_replicas}/{found.status.desired_replicas}"
        click.echo(ROW.format(found.name, found.status.stage, replicas, found.reason))


@click.group(help="List and manage model deployments.", invoke_without_command=True)
@connection
@click.pass_context
def models(context: click.Context, url: str, key: str | None) -> None:
    """List, or hand over to a subcommand."""
    context.obj = (url, key)
    if context.invoked_subcommand is None:
        with connect(url, key) as client:
            _print(client.deployments.list())


@models.command(help="Let a model run; waits until it answers.")
@click.argument("name")
@click.option("--wait/--no-wait", default=True, help="Wait until it answers.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def enable(where: tuple[str, str | None], name: str, wait: bool, timeout: float) -> None:
    """Enable a deployment."""
    with connect(*where) as client:
        client.deployments.enable(name)
        stages: list[str] = []

        def progress(found: ModelDeployment) -> None:
            if not stages or stages[-1] != found.status.stage:
                stages.append(found.status.stage)
                click.echo(f"{name}: {found.status.stage} {found.reason}".rstrip())

        if wait:
            client.deployments.wait_ready(name, timeout=timeout, progress=progress)


@models.command(help="Stop a model and free its GPUs.")
@click.argument("name")
@click.pass_obj
def disable(where: tuple[str, str | None], name: str) -> None:
    """Disable a deployment."""
    with connect(*where) as client:
        client.deployments.disable(name)
        click.echo(f"{name}: disabled")


@models.command(help="Change how many replicas there may be.")
@click.argument("name")
@click.option("--min", "minimum", type=int, help="At least so many; 0 lets it sleep when idle.")
@click.option("--max", "maximum", type=int, help="At most so many.")
@click.pass_obj
def scale(where: tuple[str, str | None], name: str, minimum: int | None, maximum: int | None) -> None:
    """Scale a deployment."""
    with connect(*where) as client:
        changed = client.deployments.scale(name, minimum=minimum, maximum=maximum)
        click.echo(f"{name}: {changed.spec.min_replicas} to {changed.spec.max_replicas} replicas")
