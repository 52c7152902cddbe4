"""The commands of `logits release`: ceremony, drafting, signing, publishing and recalling releases."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Release
from logits_core.rollout.agreement import floor_of
from logits_release.desk import DRAFTS, Ceremony, Change, NewRelease, Progress, ReleaseDesk
from logits_release.directory import DIRECTOR, IMAGES, ReleaseDirectory
from logits_release.key_ring import KeyRing

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
keys_option = click.option("--keys", "keys", type=_DIRECTORY, required=True, help="Directory of the key ring.")
directory_argument = click.argument("directory", type=_DIRECTORY)


@click.group()
def release() -> None:
    """Holds the commands; `logits release` shows them."""


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Print what went wrong in one line, and exit with 1."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except LogitsError as error:
            raise click.ClickException(error.message) from error

    return run


def desk_of(directory: Path, keys: Path | None) -> ReleaseDesk:
    """A desk with a ring that asks at the terminal."""
    return ReleaseDesk(ReleaseDirectory(directory), KeyRing(keys or directory / "keys", _ask))


def _ask(secret: str) -> str:
    return click.prompt(secret, hide_input=True, err=True)


@release.command("key", help="Make the key NAME, or take in one that an HSM or KMS holds.")
@click.argument("name")
@keys_option
@click.option("--uri", default="", help="Where the private half is: hsm:…, awskms:…, gcpkms:…, azurekms:…")
@click.option("--public-key", type=_FILE, help="Its public half in PEM.")
@click.option("--encrypt", is_flag=True, help="Ask for a passphrase and encrypt the PEM file.")
@told
def key_command(name: str, keys: Path, uri: str, public_key: Path | None, encrypt: bool) -> None:
    """Add a key."""
    ring = KeyRing(keys, _ask)
    if bool(uri) != bool(public_key):
        raise LogitsError(ErrorCode.INVALID, "--uri and --public-key go together", field="uri")
    key = ring.adopt(name, uri, public_key.read_bytes()) if public_key else ring.make(name, _passphrase(name, encrypt))
    click.echo(f"{name} {key.keyid}")


def _passphrase(name: str, encrypt: bool) -> str:
    if not encrypt:
        return ""
    return click.prompt(f"passphrase of {name}", hide_input=True, confirmation_prompt=True, err=True)


@release.command("ceremony", help="Make the missing keys and sign the first roots; prints what customers pin.")
@directory_argument
@keys_option
@click.option("--root-keys", default=3, show_default=True, help="Holders of root keys.")
@click.option("--root-threshold", default=2, show_default=True, help="How many of them sign together.")
@click.option("--targets-keys", default=2, show_default=True, help="Holders of targets keys.")
@click.option("--targets-threshold", default=2, show_default=True, help="How many of them sign together.")
@click.option("--encrypt", is_flag=True, help="Ask for a passphrase for each new PEM file.")
@told
def ceremony_command(directory: Path, keys: Path, *, encrypt: bool, **sizes: int) -> None:
    """Hold the ceremony."""
    desk = desk_of(directory, keys)
    plan = Ceremony(
        root=tuple(f"root-{number + 1}" for number in range(sizes["root_keys"])),
        targets=tuple(f"targets-{number + 1}" for number in range(sizes["targets_keys"])),
        root_threshold=sizes["root_threshold"],
        targets_threshold=sizes["targets_threshold"],
    )
    for name in plan.names:
        if name not in desk.ring.names():
            # The director's key lives in the Ops API, which nobody sits beside to type a passphrase.
            desk.ring.make(name, _passphrase(name, encrypt and name != plan.director))
    pins = desk.begin(plan)
    click.echo(f"release.roots.images   sha256:{pins.images}\nrelease.roots.director sha256:{pins.director}")


@release.command("draft", help="Draft the release VERSION; it counts once enough holders have signed.")
@directory_argument
@click.argument("version")
@click.option("--image", "images", multiple=True, required=True, help="COMPONENT=REPOSITORY@sha256:DIGEST, repeated.")
@click.option("--gateway", default="", help="Versions of the Gateway that it works with, such as '>=0.1,<1'.")
@click.option("--kubernetes", default="", help="Versions of Kubernetes that it works with, such as '>=1.24'.")
@told
def draft_command(directory: Path, version: str, images: tuple[str, ...], gateway: str, kubernetes: str) -> None:
    """Draft a release."""
    pairs = [image.partition("=") for image in images]
    table = {component: reference for component, _, reference in pairs}
    made = desk_of(directory, None).draft_release(NewRelease(version, table, gateway, kubernetes))
    click.echo(f"drafted {made.version} with counter {made.counter}; now: logits release sign")


@release.command("recall", help="Draft that VERSION may never start again.")
@directory_argument
@click.argument("version")
@click.option("--floor", default=0, help="Also bar every release with a lower counter than this.")
@told
def recall_command(directory: Path, version: str, floor: int) -> None:
    """Draft a recall."""
    desk_of(directory, None).draft_recall(version, floor)
    click.echo(f"drafted the recall of {version}; now: logits release sign, then logits release publish")


@release.command("rotate", help="Draft a root with other keys for a role.")
@directory_argument
@keys_option
@click.option("--repository", type=click.Choice([IMAGES, DIRECTOR]), default=IMAGES, show_default=True)
@click.option("--role", type=click.Choice(["root", "targets", "snapshot", "timestamp"]), required=True)
@click.option("--add", multiple=True, help="Name of a key on the ring.")
@click.option("--remove", multiple=True, help="Name of a key on the ring.")
@click.option("--threshold", default=0, help="New threshold; stays as it is by default.")
@told
def rotate_command(directory: Path, keys: Path, **change: Any) -> None:
    """Draft a root."""
    desk_of(directory, keys).draft_root(Change(**change))
    click.echo("drafted the root; its old and its new holders sign: logits release sign")


@release.command("sign", help="Sign all drafts with the keys on the ring; completes what has enough signatures.")
@directory_argument
@keys_option
@click.option("--key", "names", multiple=True, help="Only with these; all keys of the ring by default.")
@told
def sign_command(directory: Path, keys: Path, names: tuple[str, ...]) -> None:
    """Sign."""
    desk = desk_of(directory, keys)
    waiting = desk.sign(names or desk.ring.names())
    click.echo("\n".join(map(_waiting_line, waiting)) or "every draft has its signatures")
    step = "publish" if desk.directory.current else "refresh, with the snapshot and timestamp keys"
    click.echo(f"now: logits release {step}" if not waiting else "now: the next holder's logits release sign")


def _waiting_line(progress: Progress) -> str:
    names = ", ".join(progress.signed) or "nobody"
    return f"{progress.repository} {progress.role} waits for {progress.missing} more; signed by {names}"


@release.command("refresh", help="Sign a new timestamp, so that what is published doesn't expire.")
@directory_argument
@keys_option
@told
def refresh_command(directory: Path, keys: Path) -> None:
    """Refresh."""
    if not desk_of(directory, keys).refresh():
        raise LogitsError(ErrorCode.NOT_FOUND, "the snapshot and timestamp keys aren't on this ring", field="keys")
    click.echo("signed anew; now: logits release publish")


@release.command("publish", help="Upload all that is signed to the Ops API.")
@directory_argument
@click.option("--ops-api", required=True, help="Base URL of the Ops API.")
@click.option("--token-file", type=_FILE, required=True, help="File with the operator token.")
@told
def publish_command(directory: Path, ops_api: str, token_file: Path) -> None:
    """Publish."""
    body = msgspec.json.encode(ReleaseDirectory(directory).publication())
    headers = {"Authorization": f"Bearer {token_file.read_text().strip()}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(f"{ops_api.rstrip('/')}/operator/v1/releases", content=body, headers=headers, timeout=30)
    except httpx.HTTPError as failure:
        raise LogitsError(ErrorCode.UNAVAILABLE, f"the Ops API can't be reached: {failure}") from failure
    if not answer.is_success:
        raise LogitsError(ErrorCode.INVALID, f"the Ops API refuses this, {answer.status_code}: {answer.text[:500]}")
    click.echo(json.dumps(answer.json()))


@release.command("show", help="What may run, who signs, what waits and when it expires.")
@directory_argument
@click.option("--keys", type=_DIRECTORY, help="Directory of the key ring, for names in place of key ids.")
@told
def show_command(directory: Path, keys: Path | None) -> None:
    """Show everything."""
    desk = desk_of(directory, keys)
    shelf, pins = desk.directory, desk.directory.pins()
    click.echo(f"release.roots.images   sha256:{pins.images}\nrelease.roots.director sha256:{pins.director}")
    for repository in (IMAGES, DIRECTOR):
        root = shelf.root(repository)
        click.echo(f"{repository} root {root.version}, until {root.expires:%Y-%m-%d}")
        for name, role in root.roles.items():
            holders = ", ".join(desk.ring.name_of(keyid) for keyid in role.keyids)
            click.echo(f"  {name}: {role.threshold} of {holders}")
    found, timestamp = shelf.targets(), shelf.timestamp()
    if found is not None and timestamp is not None:
        click.echo(f"targets {found[1].version}, until {found[1].expires:%Y-%m-%d}, floor {floor_of(found[1])}")
        click.echo(f"timestamp {timestamp.version}, until {timestamp.expires:%Y-%m-%d %H:%M} UTC")
        _show_releases(shelf.releases(found[1]))
    for repository, role in DRAFTS:
        if shelf.draft(repository, role) is not None:
            click.echo(f"a draft of {repository} {role} waits for signatures")


def _show_releases(files: Mapping[str, bytes]) -> None:
    for made in sorted((Release.parse(content) for content in files.values()), key=lambda found: found.counter):
        ranges = f"gateway {made.gateway or 'any'}, kubernetes {made.kubernetes or 'any'}"
        click.echo(f"  {made.version} counter {made.counter}, {made.issued_at:%Y-%m-%d}, {ranges}")
