"""`logits audit`: fetch the Gateway's log, prove that it holds, compare it, and witness it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from logits_client.commands.connection import connect, connection
from logits_client.kube_audit import GatewaySide, join, read_events
from logits_client.mirror import MirroredLog, pull, stored
from logits_client.verify import Checkpoint, Report, Trust, VerifyError, read_checkpoint, read_entries, read_key
from logits_client.verify import verify as verify_log
from logits_client.witness import open_key, witness

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(help="The Gateway's audit log.")
def audit() -> None:
    """The group."""


@audit.command("pull", help="Fetch what is new of the log into DIRECTORY, to keep it and to verify it offline.")
@click.argument("directory", type=_DIRECTORY)
@connection
def pull_command(directory: Path, url: str, key: str | None) -> None:
    """Mirror the logs."""
    with connect(url, key) as client:
        try:
            logs = pull(client, directory)
        except VerifyError as error:
            raise click.ClickException(f"BROKEN: {error}") from None
    for log in logs:
        note = read_checkpoint((log.directory / "checkpoint").read_text(encoding="utf-8"))
        click.echo(f"{log.directory}: {note.size} entries of {note.origin}")


@audit.command("verify", help="Verify the log of a platform, or one that was pulled into DIRECTORY (then offline).")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option("--log-key", help="The log's verifier key, from its ConfigMap or the Pod's own log.")
@click.option("--witness", "witness_key", help="A witness's verifier key; its cosignature is then required.")
@click.option("--witnessed", type=_FILE, help="The checkpoint that the witness cosigned.")
@click.option("--receipt", "receipts", multiple=True, help="A value of X-Audit-Receipt; several may be given.")
@click.option("--kube-audit", type=_FILE, help="The API server's own audit log, to be joined with this one.")
@click.option("--namespace", default="logits", show_default=True, help="The release's namespace, for --kube-audit.")
@connection
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    directory: Path | None,
    log_key: str | None,
    witness_key: str | None,
    witnessed: Path | None,
    receipts: tuple[str, ...],
    kube_audit: Path | None,
    namespace: str,
    url: str,
    key: str | None,
) -> None:
    """Verify and say what was proved; exit code 1 when something doesn't hold."""
    try:
        trust = Trust(
            read_key(log_key) if log_key else None,
            read_key(witness_key) if witness_key else None,
            read_checkpoint(witnessed.read_text(encoding="utf-8")) if witnessed else None,
            receipts,
        )
        with tempfile.TemporaryDirectory() as temporary:
            logs = stored(directory) if directory else _pulled(Path(temporary), url, key)
            gateway = GatewaySide()
            holds = [_verified(log, trust, gateway, latest=log is logs[-1]) for log in logs]
    except VerifyError as error:
        click.echo(f"BROKEN: {error}")
        context.exit(1)
    if not logs:
        raise click.ClickException("there is no log in this directory")
    if kube_audit is not None:
        with kube_audit.open(encoding="utf-8", errors="replace") as lines:
            joined = join(gateway, read_events(lines), namespace=namespace)
        click.echo("\n".join(joined.lines()))
        holds.append(joined.holds)
    context.exit(0 if all(holds) else 1)


@audit.command(
    "witness", help="Look at the log once, cosign its checkpoint with your own key in DIRECTORY; run by cron."
)
@click.argument("directory", type=_DIRECTORY)
@click.option("--name", default="witness", show_default=True, help="The witness's name in its signatures.")
@click.option("--log-key", default="", help="The log's verifier key; the first one seen is remembered otherwise.")
@click.option("--new-log", is_flag=True, help="Follow the newest log instead of the one seen so far.")
@connection
def witness_command(*, directory: Path, name: str, log_key: str, new_log: bool, url: str, key: str | None) -> None:
    """Witness the log."""
    own = open_key(directory, name)
    with connect(url, key) as client:
        try:
            note = witness(client, directory, own, at=int(time.time()), log_key=log_key, new=new_log)
        except VerifyError as error:
            raise click.ClickException(f"BROKEN: {error}; nothing was signed") from None
    click.echo(f"cosigned {read_checkpoint(note).size} entries; {directory / 'cosigned'} has the checkpoint")
    click.echo(f"verify with --witness {own.verifier()} --witnessed {directory / 'cosigned'}")


def _pulled(directory: Path, url: str, key: str | None) -> list[MirroredLog]:
    with connect(url, key) as client:
        return pull(client, directory)


def _verified(log: MirroredLog, trust: Trust, gateway: GatewaySide, *, latest: bool) -> bool:
    checkpoint = read_checkpoint((log.directory / "checkpoint").read_text(encoding="utf-8"))
    mine = trust if _concerns(trust, checkpoint, latest) else Trust()
    told = Trust(mine.key or (read_key(log.key) if log.key else None), mine.witness, mine.witnessed, mine.receipts)
    report = verify_log(checkpoint, read_entries(log.directory, checkpoint.size), told, gateway.keep)
    if mine.key is None and told.key is not None:
        report.unproved.append("that the signing key is the Gateway's: give it with --log-key, from a source you trust")
    _print(log, report)
    return not report.problem


def _concerns(trust: Trust, checkpoint: Checkpoint, latest: bool) -> bool:
    """Keys name their log; what isn't about an older log must hold for the newest one."""
    return latest if trust.key is None else trust.key.name == checkpoint.origin or latest


def _print(log: MirroredLog, report: Report) -> None:
    click.echo(f"log {log.directory.name}")
    click.echo("\n".join(f"  {line}" for line in report.lines()))
