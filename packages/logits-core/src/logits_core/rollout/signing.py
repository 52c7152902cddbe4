"""Signing: new versions of TUF metadata, made of values and signed by signers that are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.agreement import ENVIRONMENT, REASON
from logits_core.rollout.metadata import RepositoryFiles
from logits_core.rollout.tuf import (
    CryptoSigner,
    Key,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signer,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

ROLES = ("root", "targets", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who signs a role: its public keys, and how many of them must."""

    keys: tuple[Key, ...]
    threshold: int = 1


def make_root(version: int, roles: Mapping[str, RoleKeys], expires: datetime) -> Metadata[Root]:
    """An unsigned root.

    Args:
        version: one more than the last.
        roles: keys of each of ``ROLES``.
        expires: in UTC.

    Raises:
        ValueError: a role has fewer distinct keys than its threshold.
    """
    keys = {key.keyid: key for role in roles.values() for key in role.keys}
    table: dict[str, Role] = {}
    for name in ROLES:
        role = roles[name]
        publics = {str(key.keyval.get("public")) for key in role.keys}  # pyright: ignore[reportAttributeAccessIssue]
        if len(publics) != len(role.keys) or len(publics) < role.threshold:
            raise ValueError(f"{name} needs {role.threshold} distinct keys and has {len(publics)}")
        table[name] = Role([key.keyid for key in role.keys], role.threshold)
    return Metadata(Root(version=version, expires=expires, keys=keys, roles=table, consistent_snapshot=True))


def make_targets(
    version: int, files: Mapping[str, bytes], expires: datetime, fields: Mapping[str, Any]
) -> Metadata[Targets]:
    """Unsigned targets that list files by length and SHA-256.

    Args:
        version: one more than the last.
        files: path to content.
        expires: in UTC.
        fields: further signed fields, such as the floor.
    """
    listed = {path: TargetFile.from_data(path, content, ["sha256"]) for path, content in files.items()}
    return Metadata(Targets(version=version, expires=expires, targets=listed, unrecognized_fields=dict(fields)))


def make_snapshot(version: int, targets: bytes, targets_version: int, expires: datetime) -> Metadata[Snapshot]:
    """An unsigned snapshot of signed targets."""
    entry = MetaFile.from_data(targets_version, targets, ["sha256"])
    return Metadata(Snapshot(version=version, expires=expires, meta={"targets.json": entry}))


def make_timestamp(version: int, snapshot: bytes, snapshot_version: int, expires: datetime) -> Metadata[Timestamp]:
    """An unsigned timestamp of a signed snapshot."""
    entry = MetaFile.from_data(snapshot_version, snapshot, ["sha256"])
    return Metadata(Timestamp(version=version, expires=expires, snapshot_meta=entry))


def signed(metadata: Metadata[Any], signers: Iterable[Signer]) -> bytes:
    """The metadata with these signatures added, as bytes."""
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the director wants an environment to run.

    Attributes:
        environment: its id.
        version: of this word; one more than the last one signed for the environment.
        path: target path of the release, empty for none.
        content: the release file.
        reason: for the customer to read.
    """

    environment: str
    version: int
    path: str = ""
    content: bytes = b""
    reason: str = ""


def direct(wish: Wish, signers: Mapping[str, Signer], now: datetime, life: timedelta) -> RepositoryFiles:
    """Sign the director's word for one environment.

    Args:
        wish: what should run.
        signers: of targets, snapshot and timestamp.
        now: in UTC.
        life: how long it holds.

    Returns:
        The metadata without roots.
    """
    expires = (now.astimezone(UTC) + life).replace(microsecond=0)
    files = {wish.path: wish.content} if wish.path else {}
    fields = {ENVIRONMENT: wish.environment, REASON: wish.reason}
    number = wish.version
    targets = signed(make_targets(number, files, expires, fields), [signers["targets"]])
    snapshot = signed(make_snapshot(number, targets, number, expires), [signers["snapshot"]])
    timestamp = signed(make_timestamp(number, snapshot, number, expires), [signers["timestamp"]])
    return RepositoryFiles((), timestamp.decode(), snapshot.decode(), targets.decode())


def pem_signer(pem: bytes, passphrase: bytes | None = None) -> CryptoSigner:
    """A signer of a private key in PEM.

    Raises:
        LogitsError: INVALID, when it can't be read with this passphrase.
    """
    try:
        return CryptoSigner(load_pem_private_key(pem, passphrase))  # pyright: ignore[reportArgumentType]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = "the private key can't be read: it isn't PEM, or its passphrase is missing or wrong"
        raise LogitsError(ErrorCode.INVALID, message, field="key") from None
