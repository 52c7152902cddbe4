"""The `logits` command: talks to a running platform, and takes further commands from installed packages."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click

from logits_client.commands.audit import audit
from logits_client.commands.chat import chat
from logits_client.commands.models import models
from logits_client.commands.status import status
from logits_client.errors import LogitsClientError

GROUP = "logits.commands"
"""Entry points of this group are click commands; one with the name of a built-in command replaces it."""


def build() -> click.Group:
    """The command with all of its subcommands."""
    group = click.Group("logits", help="Logits: managed LLM inference inside your own cluster.")
    for command in (chat, models, status, audit):
        group.add_command(command)
    for entry in entry_points(group=GROUP):
        group.add_command(entry.load(), entry.name)
    return group


def main() -> None:
    """Run the command; a failure is one clear line and exit code 1."""
    try:
        build()(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.Abort:
        sys.exit(130)
    except LogitsClientError as error:
        click.echo(f"logits: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
