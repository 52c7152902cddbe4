"""`logits audit verify`: prove that the Gateway's audit log was not tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from logits_client.calls import Call
from logits_client.commands.connection import connect, connection
from logits_client.sync import Logits
from logits_client.verify import Report, read_lines, verify

PAGE = 500


class Page(msgspec.Struct, frozen=True):
    """Some entries of the log and the number of all."""

    entries: list[dict[str, Any]]
    size: int


def _entries(client: Logits) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = client.run(Call("GET", f"/audit/entries?after={after}&limit={PAGE}", Page))
        yield from page.entries
        if not page.entries:
            return
        after = page.entries[-1]["index"]


@click.group(help="The Gateway's audit log.")
def audit() -> None:
    """The group."""


@audit.command("verify", help="Verify the whole log of a platform, or a FILE of its entries.")
@click.option("--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A saved log.")
@connection
@click.pass_context
def verify_command(context: click.Context, file: Path | None, url: str, key: str | None) -> None:
    """Verify and say what was proved."""
    report: Report
    if file is not None:
        with file.open(encoding="utf-8") as lines:
            report = verify(read_lines(lines))
    else:
        with connect(url, key) as client:
            report = verify(_entries(client))
    click.echo("\n".join(report.lines()))
    context.exit(1 if report.problem else 0)
