"""The `logits` command: the SDK's own commands and those that other installed packages add."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click

from logits_client.commands.audit import audit
from logits_client.commands.chat import chat
from logits_client.commands.egress import egress
from logits_client.commands.keys import keys
from logits_client.commands.models import models
from logits_client.commands.status import status
from logits_client.commands.usage import usage
from logits_client.errors import LogitsClientError

GROUP = "logits.commands"
"""The entry-point group in which packages offer commands; one of them may replace one of ours."""


def command_line() -> click.Group:
    """The command group with everything that is installed."""
    group = click.Group("logits", help="Logits: managed LLM inference inside your own Kubernetes cluster.")
    click.version_option(package_name="logits-client")(group)
    for command in (chat, models, status, keys, usage, audit, egress):
        group.add_command(command)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        group.add_command(entry.load(), entry.name)
    return group


def main() -> None:
    """Run the command line; a failure of the platform is one line and exit code 1."""
    try:
        command_line()(prog_name="logits")
    except LogitsClientError as error:
        click.echo(f"logits: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
