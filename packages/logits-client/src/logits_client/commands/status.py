"""`logits status`: components and models of a running platform, as its own Entity DB has them."""

from __future__ import annotations

import click
import msgspec

from logits_client.calls import Call
from logits_client.commands.connection import connect, connection
from logits_client.sync import Logits

ROW = "{:<18} {:<12} {:>7}  {}"


class ComponentStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What the Controller last wrote of a component."""

    version: str = ""
    replicas: int = 0
    ready_replicas: int = 0
    reason: str = ""
    message: str = ""


class ComponentName(msgspec.Struct, frozen=True):
    """A component's metadata."""

    name: str


class Component(msgspec.Struct, frozen=True):
    """One component."""

    metadata: ComponentName
    status: ComponentStatus = ComponentStatus()


class Components(msgspec.Struct, frozen=True):
    """All components."""

    items: list[Component]


def print_platform(client: Logits) -> bool:
    """Print components and models; returns whether all components are ready."""
    components = client.run(Call("GET", "/entities/components", Components)).items
    click.echo(ROW.format("COMPONENT", "VERSION", "READY", "WHY"))
    for found in components:
        state = found.status
        click.echo(
            ROW.format(
                found.metadata.name,
                state.version,
                f"{state.ready_replicas}/{state.replicas}",
                state.message if state.ready_replicas < max(state.replicas, 1) else "",
            ).rstrip()
        )
    click.echo(ROW.format("MODEL", "STAGE", "READY", "WHY"))
    for deployment in client.deployments.list():
        status = deployment.status
        ready = f"{status.ready_replicas}/{status.desired_replicas}"
        click.echo(ROW.format(deployment.name, status.stage, ready, deployment.reason).rstrip())
    return all(found.status.ready_replicas >= max(1, found.status.replicas) for found in components)


@click.command(help="Show the components and models of a platform; exit code 1 when one isn't ready.")
@connection
@click.pass_context
def status(context: click.Context, url: str, key: str | None) -> None:
    """Show the platform."""
    with connect(url, key) as client:
        context.exit(0 if print_platform(client) else 1)
