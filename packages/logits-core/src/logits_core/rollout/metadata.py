"""TUF metadata: one repository's trusted state, and the only steps by which it moves on.

The workflow of the TUF specification over bytes that are all at hand, with python-tuf's own reading and
signature checks. Whatever a step refuses changes nothing, so no offer can wedge a later, good one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.tuf import (
    LengthOrHashMismatchError,
    Metadata,
    MetaFile,
    RepositoryError,
    Root,
    SecureSystemsError,
    Signed,
    Snapshot,
    SSlibKey,
    Targets,
    Timestamp,
)

MAX_BYTES: Mapping[str, int] = {"root": 65_536, "timestamp": 16_384, "snapshot": 65_536, "targets": 524_288}
MAX_ROOTS = 32
"""Root versions that one offer may hold; a client that is further behind asks again."""

_RoleT = TypeVar("_RoleT", Root, Timestamp, Snapshot, Targets)
_TARGETS_FILE = "targets.json"
_UNREADABLE = (RepositoryError, SecureSystemsError, ValueError, KeyError, TypeError, AttributeError)


class RepositoryFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One repository's metadata as it travels: the files' own text, word for word.

    Attributes:
        roots: successive root versions, oldest first.
        timestamp: the newest timestamp; empty, like the next two, when only roots travel.
        snapshot: the snapshot that it names.
        targets: the targets that the snapshot names.
    """

    roots: tuple[str, ...] = ()
    timestamp: str = ""
    snapshot: str = ""
    targets: str = ""


@dataclass(frozen=True, slots=True)
class Trusted:
    """One repository's verified metadata, kept as the bytes that were signed.

    Attributes:
        roots: from the pinned version to the newest.
        timestamp: with the next two, the last set that was verified as a whole; empty before.
        snapshot: as named by the timestamp.
        targets: as named by the snapshot.
    """

    roots: tuple[bytes, ...] = ()
    timestamp: bytes = b""
    snapshot: bytes = b""
    targets: bytes = b""

    @property
    def root(self) -> Root:
        """The newest root."""
        return read_role(Root, self.roots[-1]).signed

    @property
    def root_version(self) -> int:
        """Version of the newest root, 0 without one."""
        return self.root.version if self.roots else 0

    def listed(self) -> Targets | None:
        """The targets, if there are any and the newest root's keys vouch for them."""
        return verified_by(self.root, Targets, self.targets) if self.targets else None

    def files(self) -> RepositoryFiles:
        """The same as it travels."""
        texts = [part.decode() for part in (self.timestamp, self.snapshot, self.targets)]
        return RepositoryFiles(tuple(root.decode() for root in self.roots), *texts)

    @classmethod
    def stored(cls, files: RepositoryFiles) -> Trusted:
        """What was trusted before, from where only its owner writes."""
        parts = [text.encode() for text in (files.timestamp, files.snapshot, files.targets)]
        return cls(tuple(root.encode() for root in files.roots), *parts)


def root_pin(root: bytes) -> str:
    """What a customer pins: SHA-256 in hex of a root file's bytes."""
    return hashlib.sha256(root).hexdigest()


def follow_roots(trusted: Trusted, offered: RepositoryFiles, pin: str) -> tuple[Trusted, LogitsError | None]:
    """Take over newer roots, each signed by the thresholds of its predecessor and of itself, as far as they hold.

    A good root is kept even if all that follows is refused: new roots are how stolen keys are got rid of.

    Args:
        trusted: so far; without roots, the pinned one is looked for in the offer.
        offered: untrusted.
        pin: of the root that the customer installed.

    Returns:
        The trusted metadata with its newest root, and what stopped the way, if anything did.
    """
    if len(offered.roots) > MAX_ROOTS:
        return trusted, LogitsError(ErrorCode.TOO_LARGE, f"at most {MAX_ROOTS} roots travel at once", field="length")
    try:
        for text in offered.roots:
            trusted = _follow(trusted, text.encode(), pin)
    except LogitsError as error:
        return trusted, error
    if not trusted.roots:
        message = "the root that this Gateway was installed with is missing"
        return trusted, LogitsError(ErrorCode.SIGNATURE_REFUSED, message, field="root")
    return trusted, None


def _follow(trusted: Trusted, offered: bytes, pin: str) -> Trusted:
    if not trusted.roots:
        if root_pin(offered) != pin:
            return trusted
        # The pin vouches for these bytes; that they sign themselves shows that the keys exist.
        _verified(_sound_root(offered), Root, offered)
        return replace(trusted, roots=(offered,))
    current, candidate = trusted.root, _sound_root(offered)
    if candidate.version <= current.version:
        return trusted
    if candidate.version != current.version + 1:
        raise LogitsError(ErrorCode.CONFLICT, "a root version is missing from the chain", field="root")
    _verified(current, Root, offered)
    _verified(candidate, Root, offered)
    return replace(trusted, roots=(*trusted.roots, offered))


def advance(trusted: Trusted, offered: RepositoryFiles, now: datetime) -> Trusted:
    """Take over newer metadata as a whole, or refuse it as a whole.

    Args:
        trusted: with its newest root.
        offered: untrusted.
        now: when the update began, in UTC.

    Raises:
        LogitsError: SIGNATURE_REFUSED, CONFLICT (rollback, mix-and-match), EXPIRED, INVALID or TOO_LARGE; its field
            says which rule.
    """
    root = trusted.root
    timestamp = _timestamp(root, trusted, offered.timestamp.encode())
    snapshot = _snapshot(root, trusted, offered.snapshot.encode(), timestamp.snapshot_meta)
    entry = snapshot.meta.get(_TARGETS_FILE)
    if entry is None:
        raise LogitsError(ErrorCode.INVALID, "the snapshot names no targets", field="mix")
    data = offered.targets.encode()
    _matches(entry, data)
    targets = _verified(root, Targets, data)
    _same_version(entry, targets.version)
    if any(role.is_expired(now) for role in (root, timestamp, snapshot, targets)):
        raise LogitsError(ErrorCode.EXPIRED, "the offered metadata is expired", field="expiry")
    return Trusted(trusted.roots, offered.timestamp.encode(), offered.snapshot.encode(), data)


def expiry(trusted: Trusted) -> datetime | None:
    """When the first of the trusted roles expires; None before there are any, or when the newest root disowns one."""
    if not trusted.targets:
        return None
    root = trusted.root
    roles: list[Signed | None] = [
        root,
        verified_by(root, Timestamp, trusted.timestamp),
        verified_by(root, Snapshot, trusted.snapshot),
        verified_by(root, Targets, trusted.targets),
    ]
    ends = [role.expires for role in roles if role is not None]
    return min(ends) if len(ends) == len(roles) else None


def read_role(role: type[_RoleT], data: bytes) -> Metadata[_RoleT]:
    """Read one metadata file; nothing in it is trusted yet.

    Raises:
        LogitsError: TOO_LARGE or INVALID.
    """
    if len(data) > MAX_BYTES[role.type]:
        raise LogitsError(ErrorCode.TOO_LARGE, f"the {role.type} metadata is too large", field="length")
    try:
        found = Metadata[_RoleT].from_bytes(data)
    except _UNREADABLE:
        raise LogitsError(ErrorCode.INVALID, f"the {role.type} metadata can't be read", field="metadata") from None
    if found.signed.type != role.type or type(found.signed.version) is not int:
        raise LogitsError(ErrorCode.INVALID, f"the {role.type} metadata is of another kind", field="metadata")
    return found


def verified_by(root: Root, role: type[_RoleT], data: bytes) -> _RoleT | None:
    """The role's content if the root's keys for it signed it, else None."""
    try:
        return _verified(root, role, data)
    except LogitsError:
        return None


def _sound_root(data: bytes) -> Root:
    root = read_role(Root, data).signed
    for name, role in root.roles.items():
        keys = [root.keys[keyid] for keyid in role.keyids if keyid in root.keys]
        publics = {key.keyval.get("public", "") for key in keys if isinstance(key, SSlibKey)}
        # One key under two ids would meet a threshold of two alone.
        if len(publics) != len(role.keyids) or role.threshold > len(publics):
            raise LogitsError(ErrorCode.INVALID, f"the root's keys for {name} aren't distinct", field="root")
    return root


def _verified(root: Root, role: type[_RoleT], data: bytes) -> _RoleT:
    found = read_role(role, data)
    try:
        root.verify_delegate(role.type, found.signed_bytes, found.signatures)
    except _UNREADABLE:
        raise LogitsError(
            ErrorCode.SIGNATURE_REFUSED, f"too few of the trusted keys signed the {role.type}", field="signatures"
        ) from None
    return found.signed


def _timestamp(root: Root, trusted: Trusted, data: bytes) -> Timestamp:
    found = _verified(root, Timestamp, data)
    # What the newest root's keys did not sign is no measure: that is how a stolen key's fast-forward is healed.
    before = verified_by(root, Timestamp, trusted.timestamp) if trusted.timestamp else None
    if before is None:
        return found
    if found.version < before.version or found.snapshot_meta.version < before.snapshot_meta.version:
        raise LogitsError(ErrorCode.CONFLICT, "the timestamp is older than the trusted one", field="version")
    if found.version == before.version and found != before:
        raise LogitsError(ErrorCode.CONFLICT, "two timestamps of one version differ", field="version")
    return found


def _snapshot(root: Root, trusted: Trusted, data: bytes, entry: MetaFile) -> Snapshot:
    _matches(entry, data)
    found = _verified(root, Snapshot, data)
    _same_version(entry, found.version)
    before = verified_by(root, Snapshot, trusted.snapshot) if trusted.snapshot else None
    for name, known in (before.meta if before else {}).items():
        if name not in found.meta or found.meta[name].version < known.version:
            raise LogitsError(ErrorCode.CONFLICT, "the snapshot is older than the trusted one", field="version")
    return found


def _matches(entry: MetaFile, data: bytes) -> None:
    try:
        entry.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        raise LogitsError(ErrorCode.CONFLICT, "metadata of different times is mixed", field="mix") from None


def _same_version(entry: MetaFile, version: int) -> None:
    if entry.version != version:
        raise LogitsError(ErrorCode.CONFLICT, "metadata of different times is mixed", field="mix")
