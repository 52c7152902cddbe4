"""`logits keys`: API keys of the platform: list, create, rotate, revoke and delete."""

from __future__ import annotations

import click
import msgspec

from logits_client.calls import Call
from logits_client.commands.connection import connect, connection

ROW = "{:<24} {:<9} {:<16} {:<24} {}"
Where = tuple[str, str | None]


class Key(msgspec.Struct, frozen=True, rename="camel"):
    """One key; its secret is never listed."""

    name: str
    state: str
    prefixes: list[str] = []
    until: str = ""
    models: list[str] = []
    limits: list[str] = []


class KeyList(msgspec.Struct, frozen=True):
    """All keys."""

    items: list[Key]


class NewKey(msgspec.Struct, frozen=True):
    """A key with its secret, which is told only once."""

    name: str
    key: str


@click.group(help="List and manage API keys.", invoke_without_command=True)
@connection
@click.pass_context
def keys(context: click.Context, url: str, key: str | None) -> None:
    """List, or hand over to a subcommand."""
    context.obj = (url, key)
    if context.invoked_subcommand is None:
        with connect(url, key) as client:
            found = client.run(Call("GET", "/console/keys", KeyList)).items
        click.echo(ROW.format("KEY", "STATE", "BEGINS WITH", "MODELS", "LIMITS"))
        for each in found:
            prefix = each.prefixes[0] + "…" if each.prefixes else ""
            models, limits = ",".join(each.models) or "all", ", ".join(each.limits) or "none"
            click.echo(ROW.format(each.name, each.state, prefix, models, limits))


@keys.command(help="Make a key and print it; it is shown only now.")
@click.argument("name")
@click.option("--for", "purpose", default="", help="What the key is for.")
@click.option("--model", "models", multiple=True, help="A model that it may call; repeat for more. Default: all.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Default: no limit.")
@click.option("--tokens-per-minute", type=click.IntRange(1), help="Default: no limit.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests under way at once. Default: no limit.")
@click.option("--expires", help="Time from which it's refused, such as 2027-01-31T00:00:00Z. Default: never.")
@click.pass_obj
def create(
    where: Where,
    *,
    name: str,
    purpose: str,
    models: tuple[str, ...],
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
    concurrency: int | None,
    expires: str | None,
) -> None:
    """Make a key."""
    wish = {
        "name": name,
        "displayName": purpose,
        "models": list(models),
        "requestsPerMinute": requests_per_minute,
        "tokensPerMinute": tokens_per_minute,
        "concurrency": concurrency,
        "expiresAt": expires,
    }
    body = {field: value for field, value in wish.items() if value is not None}
    with connect(*where) as client:
        click.echo(client.run(Call("POST", "/console/keys", NewKey, body, repeatable=False)).key)


@keys.command(help="Give a key a new secret and print it; the old one works on for a while.")
@click.argument("name")
@click.option("--overlap", default=24.0, show_default=True, help="Hours that the old secret works on.")
@click.pass_obj
def rotate(where: Where, name: str, overlap: float) -> None:
    """Rotate a key."""
    call = Call("POST", f"/console/keys/{name}/rotation", NewKey, {"overlapHours": overlap}, repeatable=False)
    with connect(*where) as client:
        click.echo(client.run(call).key)


@keys.command(help="Refuse a key from now on; its usage stays.")
@click.argument("name")
@click.pass_obj
def revoke(where: Where, name: str) -> None:
    """Revoke a key."""
    with connect(*where) as client:
        client.run(Call("POST", f"/console/keys/{name}/revocation", bytes, {}))
    click.echo(f"{name}: revoked")


@keys.command(help="Remove a key; its usage stays under its name.")
@click.argument("name")
@click.pass_obj
def delete(where: Where, name: str) -> None:
    """Delete a key."""
    with connect(*where) as client:
        client.run(Call("DELETE", f"/console/keys/{name}", bytes))
    click.echo(f"{name}: deleted")
