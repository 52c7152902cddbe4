"""`logits gateway approve` and `logits gateway plan`: the customer's hand in releases, before they happen."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from logits_core.errors import LogitsError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("approve", help="Sign one release for one environment, and print what puts the approval in place.")
@click.option("--key", type=_FILE, required=True, help="The approver's Ed25519 private key in PEM.")
@click.option("--environment", required=True, help="Id of the environment.")
@click.option("--sha256", "digest", required=True, help="Digest of the release, as the plan tells it.")
@click.option("--namespace", default="logits", show_default=True, help="The release's namespace.")
def approve_command(key: Path, environment: str, digest: str, namespace: str) -> None:
    """Approve a release."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from logits_core.rollout.controls import APPROVAL, approve

    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise click.BadParameter("is 64 hex digits; copy it from the plan", param_hint="--sha256")
    pem = key.read_bytes()
    secret = click.prompt("passphrase", hide_input=True, err=True).encode() if b"ENCRYPTED" in pem else None
    try:
        private = load_pem_private_key(pem, secret)
    except (ValueError, TypeError):
        raise click.BadParameter("is no private key in PEM, or the passphrase is wrong", param_hint="--key") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise click.BadParameter("must be an Ed25519 key", param_hint="--key")
    signature = approve(private, environment, digest)
    click.echo(signature)
    click.echo(
        f"# of several approvers, put all signatures into one text, with blanks between them\n"
        f"kubectl -n {namespace} annotate --overwrite configmap logits-customizations '{APPROVAL}={signature}'",
        err=True,
    )


@click.command("plan", help="What will happen next with releases here, when, and why.")
@click.option(
    "--url", envvar="LOGITS_BASE_URL", default="http://127.0.0.1:8080", show_default=True, help="The ingress."
)
@click.option("--status", type=_FILE, help="A saved answer of GET URL/release instead of asking for it.")
@click.option("--controls", type=_FILE, help="Try these controls (JSON as under release in the chart's values).")
@click.option("--approval", "approvals", multiple=True, help="With --controls: a signature of an approver.")
@click.option("--at", "moment", default="", help="With --controls: a time with offset; now by default.")
@click.pass_context
def plan_command(
    context: click.Context,
    *,
    url: str,
    status: Path | None,
    controls: Path | None,
    approvals: tuple[str, ...],
    moment: str,
) -> None:
    """Show the plan; exit code 1 when a release waits."""
    document: dict[str, Any] = json.loads(status.read_text()) if status else _asked(url)
    plan: dict[str, Any] | None = document.get("releasePlan")
    if plan is None:
        click.echo("nothing new is on its way")
        return
    click.echo(f"release {plan['version']}, counter {plan['counter']}, sha256 {plan['sha256']}")
    click.echo(f"environment {document['environment']}; the vendor's word ends {document['vendorWordExpires']}")
    click.echo(f"the vendor's reason: {plan['reason'] or 'none given'}")
    waits, until = plan["waitsFor"], plan["until"]
    if controls is not None:
        try:
            waits, until = _tried(controls.read_text(), document, approvals, moment)
        except (LogitsError, ValueError) as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"waits: {waits}{f', until {until}' if until else ''}" if waits else "begins")
    context.exit(1 if waits else 0)


def _tried(text: str, document: dict[str, Any], approvals: tuple[str, ...], moment: str) -> tuple[str, str]:
    from logits_core.rollout.controls import Controls, Pending, decide

    plan, expires = document["releasePlan"], document.get("vendorWordExpires")
    pending = Pending(
        version=plan["version"],
        digest=plan["sha256"],
        first=document["release"]["desired"] is None,
        expires=datetime.fromisoformat(expires) if expires else None,
        approvals=approvals,
        environment=document["environment"],
        free=document["mode"] == "normal",
    )
    now = datetime.fromisoformat(moment) if moment else datetime.now(UTC)
    if now.tzinfo is None:
        raise ValueError("--at needs an offset, such as 2026-12-24T02:00:00+01:00")
    verdict = decide(Controls.parse(text), pending, now)
    return str(verdict.hold or ""), verdict.until.isoformat() if verdict.until else ""


def _asked(url: str) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/release", timeout=10, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} doesn't tell the plan: {error}") from error
    return answer.json()
