"""`logits usage`: requests and tokens per model or key, as the platform counted them."""

from __future__ import annotations

import click
import msgspec

from logits_client.calls import Call
from logits_client.commands.connection import connect, connection

ROW = "{:<28} {:>10} {:>8} {:>14} {:>14} {:>14}"


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One model's or key's sums."""

    name: str
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Usage(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """All sums of a period."""

    start: str
    end: str
    items: list[Item]


@click.command(help="Show what was used, per model or key.")
@click.option("--period", type=click.Choice(["day", "week", "month"]), default="day", show_default=True)
@click.option("--by", type=click.Choice(["model", "key"]), default="model", show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Everything per hour, key and model, as CSV.")
@connection
def usage(*, period: str, by: str, as_csv: bool, url: str, key: str | None) -> None:
    """Show usage."""
    with connect(url, key) as client:
        if as_csv:
            click.echo(client.run(Call("GET", f"/usage.csv?period={period}", bytes)), nl=False)
            return
        found = client.run(Call("GET", f"/console/usage?period={period}&by={by}", Usage))
    click.echo(ROW.format(by.upper(), "REQUESTS", "FAILED", "PROMPT", "CACHED", "COMPLETION"))
    for item in found.items:
        tokens = (item.prompt_tokens, item.cached_tokens, item.completion_tokens)
        click.echo(ROW.format(item.name or "(no key)", item.requests, item.failed, *tokens))
    click.echo(f"from {found.start} to {found.end}, UTC")
