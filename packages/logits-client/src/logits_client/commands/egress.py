"""`logits egress`: what left for the vendor, and the proof that the audit log tells the same."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from logits_client.calls import Call
from logits_client.commands.connection import connect, connection
from logits_client.mirror import pull
from logits_client.sync import Logits
from logits_client.verify import Trust, read_checkpoint, read_entries, read_key, verify

PAGE = 200
ROW = "{:<24} {:<12} {:<12} {:>8}  {}"
PREFIX = "logits.ai/"


class Departure(msgspec.Struct, frozen=True, rename="camel"):
    """One call to the vendor, as the ledger has it."""

    cursor: str
    id: str
    time: str
    method: str
    path: str
    caller: str
    sha256: str
    size: int
    encoding: str = ""
    schema: str = ""
    index: int = -1


class Page(msgspec.Struct, frozen=True, rename="camel"):
    """Some calls, newest first, and for how many days their text is kept."""

    entries: list[Departure]
    kept_days: int


def pages(client: Logits, limit: int | None = None) -> Iterator[tuple[Departure, int]]:
    """Calls, newest first, with the number of days that the ledger keeps."""
    before, left = "", limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = client.run(Call("GET", f"/egress/entries?before={quote(before)}&limit={size}", Page))
        for entry in page.entries:
            yield entry, page.kept_days
        if len(page.entries) < size:
            return
        before = page.entries[-1].cursor
        left = None if left is None else left - size


def body_of(client: Logits, cursor: str, *, plain: bool) -> bytes:
    """The bytes that were sent, or their text."""
    return client.run(Call("GET", f"/egress/bodies/{quote(cursor)}?plain={'true' if plain else 'false'}", bytes))


@click.group(help="What left the cluster for the vendor.")
def egress() -> None:
    """The group."""


@egress.command("show", help="List what left, newest first, or print the text of the call at CURSOR.")
@click.argument("cursor", required=False)
@click.option("--limit", default=50, show_default=True, help="Calls to list.")
@click.option("--as-sent", is_flag=True, help="Print the bytes as they were sent, compressed if they were.")
@connection
def show_command(*, cursor: str | None, limit: int, as_sent: bool, url: str, key: str | None) -> None:
    """Show the ledger."""
    with connect(url, key) as client:
        if cursor:
            click.echo(body_of(client, cursor, plain=not as_sent), nl=False)
            return
        click.echo(ROW.format("TIME", "CURSOR", "WHAT", "BYTES", "CALL"))
        for entry, _ in pages(client, limit):
            what = entry.schema or "question"
            click.echo(ROW.format(entry.time[:23], entry.cursor, what, entry.size, f"{entry.method} {entry.path}"))


@egress.command("verify", help="Prove that the ledger and the audit log tell the same about everything that left.")
@connection
@click.pass_context
def verify_command(context: click.Context, url: str, key: str | None) -> None:
    """Compare both; exit code 1 when they differ."""
    with connect(url, key) as client, tempfile.TemporaryDirectory() as temporary:
        kept = list(pages(client))
        intents, broken = _intents(client, Path(temporary))
        problems = broken + _compare(client, [entry for entry, _ in kept], intents)
        oldest = datetime.now(UTC) - timedelta(days=kept[0][1] - 1 if kept else 0)
        problems += _unkept({entry.id for entry, _ in kept}, intents, oldest)
    bodies = sum(1 for entry, _ in kept if entry.index >= 0)
    click.echo(f"{len(kept)} calls to the vendor are kept, {bodies} of them with a body.")
    for problem in problems:
        click.echo(f"BROKEN: {problem}")
    if not problems:
        click.echo("proved: every body has the bytes, size and digest that the audit log said before it left,")
        click.echo("and every body that the audit log tells of is kept.")
    context.exit(1 if problems else 0)


def _intents(client: Logits, directory: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The records that were written before something left, by audit id, and what is wrong with the log."""
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []

    def keep(index: int, record: dict[str, Any]) -> None:
        if record["stage"] == "RequestReceived" and PREFIX + "egress-sha256" in record["annotations"]:
            found[record["auditID"]] = record

    for log in pull(client, directory):
        checkpoint = read_checkpoint((log.directory / "checkpoint").read_text(encoding="utf-8"))
        trust = Trust(read_key(log.key) if log.key else None)
        report = verify(checkpoint, read_entries(log.directory, checkpoint.size), trust, keep)
        problems += [report.problem] if report.problem else []
    return found, problems


def _compare(client: Logits, kept: list[Departure], intents: dict[str, dict[str, Any]]) -> list[str]:
    problems: list[str] = []
    for entry in kept:
        if entry.index < 0:
            continue
        intent = intents.get(entry.id)
        if intent is None:
            problems.append(f"{entry.cursor}: the audit log has no record of it")
            continue
        notes: dict[str, str] = intent["annotations"]
        sent = body_of(client, entry.cursor, plain=False)
        if hashlib.sha256(sent).hexdigest() != notes[PREFIX + "egress-sha256"]:
            problems.append(f"{entry.cursor}: the body that is kept is not the one that the audit log tells of")
        plain = notes.get(PREFIX + "egress-plain-sha256")
        if plain and hashlib.sha256(body_of(client, entry.cursor, plain=True)).hexdigest() != plain:
            problems.append(f"{entry.cursor}: the text that is kept is not the one that the audit log tells of")
    return problems


def _unkept(kept: set[str], intents: dict[str, dict[str, Any]], oldest: datetime) -> list[str]:
    return [
        f"the audit log tells of a body that left at {intent['stageTimestamp']} and is not kept"
        for audit_id, intent in intents.items()
        if audit_id not in kept and datetime.fromisoformat(intent["stageTimestamp"]) > oldest
    ]
