"""`logits gateway`: the policy in print, what it decides about one request, and the customer's hand in releases."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from logits_core.policy import CALLERS, Limits, Mode, policy_digest
from logits_core.policy.explain import Question, explain
from logits_core.policy.rules import BODY_RULES, GENERAL_RULES, PROTECTED, ROUTES, RULES, policy_table
from logits_core.reconcile.state import Customizations
from logits_gateway.release_command import approve_command, plan_command

PREFIX = "/kubernetes"


@click.group(help="The Gateway: its policy, how it decides, and what is planned.")
def gateway() -> None:
    """The group."""


@gateway.command("policy", help="Print the whole policy table and its hash, which stands in every audit record.")
@click.option("--json", "as_json", is_flag=True, help="The table as JSON, as it is hashed.")
def policy_command(as_json: bool) -> None:
    """Print the table."""
    if as_json:
        click.echo(json.dumps(policy_table(), sort_keys=True, indent=2))
        return
    click.echo("\n".join(policy_lines()))


def policy_lines() -> list[str]:
    """The policy as lines for people."""
    lines = ["ALLOWED (everything else is denied)"]
    for rule in RULES:
        resources = ", ".join(rule.resources)
        lines.append(f"  {rule.id}")
        lines.append(f"    {', '.join(rule.callers)}: {', '.join(rule.verbs)}  {rule.group or 'core'}: {resources}")
        lines.append(f"    names {rule.names}{'' if not rule.cluster else '  (cluster-wide)'}: {rule.why}")
    lines.append("PROTECTED, whatever is allowed above")
    lines += [f"  {row.id}: {', '.join(row.resources)} named {row.names}: {row.why}" for row in PROTECTED]
    lines.append("THE GATEWAY'S OWN ROUTES")
    lines += [f"  {row.id}: {', '.join(row.callers)}: {row.method} {row.path}: {row.why}" for row in ROUTES]
    lines.append("BODIES")
    lines += [f"  {name}: {why}" for name, why in BODY_RULES.items()]
    lines.append("ALWAYS")
    lines += [f"  {name}: {why}" for name, why in (GENERAL_RULES | policy_table()["modes"]).items()]
    lines.append(f"sha256 {policy_digest()}")
    return lines


@gateway.command(
    "explain", help='Say how the policy decides REQUEST, such as "DELETE /api/v1/namespaces/logits/pods/x".'
)
@click.argument("request_line", metavar="REQUEST")
@click.option("--as", "caller", type=click.Choice(CALLERS), default="controller", show_default=True, help="Who asks.")
@click.option("--body", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the body.")
@click.option(
    "--content-type", default="application/apply-patch+yaml", show_default=True, help="The body's media type."
)
@click.option("--header", "headers", multiple=True, help="A further header, such as 'Upgrade: websocket'.")
@click.option("--namespace", default="logits", show_default=True, help="The release's namespace.")
@click.option("--image", "images", multiple=True, help="An image that the release in force signs: COMPONENT=REFERENCE.")
@click.option("--limits", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="logits-customizations.")
@click.option("--mode", type=click.Choice([str(mode) for mode in Mode]), default="normal", show_default=True)
@click.pass_context
def explain_command(
    context: click.Context,
    *,
    request_line: str,
    caller: str,
    body: Path | None,
    content_type: str,
    headers: tuple[str, ...],
    namespace: str,
    images: tuple[str, ...],
    limits: Path | None,
    mode: str,
) -> None:
    """Explain one request; exit code 1 when it is refused."""
    method, path, query = _request_line(request_line)
    question = Question(
        caller=caller,
        method=method,
        path=path,
        query=query,
        headers=tuple(_header(line) for line in headers),
        content_type=content_type if method != "POST" or "patch" not in content_type else "application/json",
        body=body.read_bytes() if body else None,
    )
    customer = Customizations.parse(json.loads(limits.read_text())) if limits else Customizations()
    steps = explain(question, Limits(namespace, _images(images), customer), mode=Mode(mode))
    for step in steps:
        rule = f" [rule {step.rule}]" if step.rule and step.passed else ""
        click.echo(f"{'pass  ' if step.passed else 'REFUSE'} {step.stage:<10} {step.words}{rule}")
    context.exit(0 if steps[-1].passed else 1)


def _request_line(line: str) -> tuple[str, str, str]:
    words = shlex.split(line)
    if len(words) != 2:
        raise click.BadParameter("write a method and a path, such as 'GET /api/v1/nodes'", param_hint="REQUEST")
    path, _, query = words[1].removeprefix(PREFIX).partition("?")
    return words[0], path, query


def _header(line: str) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(":")
    if not colon:
        raise click.BadParameter("write NAME: VALUE", param_hint="--header")
    return name.strip().lower().encode(), value.strip().encode()


def _images(pairs: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for pair in pairs:
        component, equals, reference = pair.partition("=")
        if not equals:
            raise click.BadParameter("write COMPONENT=REFERENCE", param_hint="--image")
        found[component] = found.get(component, frozenset()) | {reference}
    return found


gateway.add_command(approve_command)
gateway.add_command(plan_command)


if __name__ == "__main__":
    sys.exit(gateway())
