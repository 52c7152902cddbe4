"""`logits down`: ends every process of the platform and keeps its data."""

from __future__ import annotations

from pathlib import Path

import click

from logits_local.commands.session import data_directory_option, in_one_line
from logits_local.platform.data_directory import DataDirectory
from logits_local.platform.process import stop_daemon


@click.command("down")
@data_directory_option
@in_one_line
def down(*, data_dir: Path) -> None:
    """Stop everything that `logits up` started; the data stays for the next time."""
    data = DataDirectory(data_dir.expanduser().absolute())
    if stop_daemon(data):
        click.echo(f"Stopped. The data stays in {data.root}; 'logits up' goes on with it.")
    else:
        click.echo(f"Logits doesn't run on {data.root}.")
