"""Agreement: a release runs only if the offline keys allow it and the director wants it here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.metadata import (
    RepositoryFiles,
    Trusted,
    advance,
    expiry,
    follow_roots,
    read_role,
    verified_by,
)
from logits_core.rollout.release import MAX_RELEASE_BYTES, Release, content_digest
from logits_core.rollout.tuf import LengthOrHashMismatchError, Root, TargetFile, Targets

FLOOR = "logits-floor"
"""Field of the images' targets: releases with a lower counter never start again."""
ENVIRONMENT = "logits-environment"
"""Field of the director's targets: the one environment that they are for."""
REASON = "logits-reason"
"""Field of the director's targets: why, in the vendor's words, for the customer to read before it happens."""
MAX_OFFER_BYTES = 1 << 20
_REASON_TEXT = re.compile(r"[ -~]{0,200}")


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the Ops API sends about what should run: nothing in it is trusted yet.

    Attributes:
        images: metadata of the offline keys: what may ever run.
        director: metadata of the online keys: what should run here now.
        release: the release file that the director names, empty for none.
    """

    images: RepositoryFiles = RepositoryFiles()
    director: RepositoryFiles = RepositoryFiles()
    release: str = ""

    @classmethod
    def parse(cls, content: bytes) -> Offer:
        """Read an answer of the Ops API.

        Raises:
            LogitsError: TOO_LARGE or INVALID.
        """
        if len(content) > MAX_OFFER_BYTES:
            raise LogitsError(ErrorCode.TOO_LARGE, "an offer is at most 1 MiB", field="length")
        try:
            return msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise LogitsError(ErrorCode.INVALID, "the offer can't be read", field="metadata") from None


@dataclass(frozen=True, slots=True)
class Pins:
    """SHA-256 in hex of the two root files that the customer installed."""

    images: str
    director: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where a release would run: environment, and versions for its ranges."""

    environment: str
    gateway: str
    kubernetes: str


@dataclass(frozen=True, slots=True)
class TrustedPair:
    """Both repositories' trusted metadata."""

    images: Trusted = field(default_factory=Trusted)
    director: Trusted = field(default_factory=Trusted)

    def expires(self) -> datetime | None:
        """When the vendor's word runs out; None before there is any."""
        ends = [end for end in (expiry(self.images), expiry(self.director)) if end is not None]
        return min(ends) if len(ends) == 2 else None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A release that both sides agreed on.

    Attributes:
        release: its content.
        content: the file's bytes.
        proof: the images' targets that listed it, to verify it again later; no part of its identity.
        reason: the director's words; no part of its identity either.
    """

    release: Release
    content: bytes
    proof: bytes = field(default=b"", compare=False, repr=False)
    reason: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the file in hex."""
        return content_digest(self.content)


def take_roots(trusted: TrustedPair, offer: Offer, pins: Pins) -> tuple[TrustedPair, LogitsError | None]:
    """Follow both chains of roots as far as they hold.

    Returns:
        The trusted roots, and what stopped the way, if anything did.
    """
    images, one = follow_roots(trusted.images, offer.images, pins.images)
    director, other = follow_roots(trusted.director, offer.director, pins.director)
    return TrustedPair(images, director), one or other


def take_metadata(trusted: TrustedPair, offer: Offer, now: datetime) -> TrustedPair:
    """Move both repositories on, or neither.

    Raises:
        LogitsError: as ``advance``.
    """
    return TrustedPair(
        images=advance(trusted.images, offer.images, now), director=advance(trusted.director, offer.director, now)
    )


def agree(trusted: TrustedPair, content: bytes, site: Site) -> Accepted | None:
    """What both sides want to run here.

    Args:
        trusted: verified metadata of both.
        content: the release file, untrusted.
        site: this environment.

    Returns:
        The release, or None when the director wants nothing.

    Raises:
        LogitsError: FORBIDDEN or INVALID; its field says which rule.
    """
    images, director = trusted.images.listed(), trusted.director.listed()
    if images is None or director is None:
        return None
    _addressed(director, site.environment)
    if not director.targets:
        return None
    if len(director.targets) > 1:
        raise _refused("the director names several releases", "agreement")
    ((path, wanted),) = director.targets.items()
    _same_file(images.targets.get(path), wanted, content)
    release = Release.parse(content)
    if release.path() != path:
        raise _refused("the release has another name than its file", "agreement")
    if release.counter < floor_of(images):
        raise _refused("the release is below the floor that the offline keys set", "floor")
    if not release.works_with(gateway=site.gateway, kubernetes=site.kubernetes):
        raise _refused("the release is not made for this version of the Gateway or of Kubernetes", "range")
    return Accepted(release, content, proof=trusted.images.targets, reason=_reason(director))


def still_allowed(trusted: Trusted, accepted: Accepted) -> bool:
    """Whether the offline keys still let a release start: listed, and not below the floor."""
    if not trusted.targets:
        return False
    # The last list that was verified counts, even if a newer root has other keys for it: this is about recalls.
    images = read_role(Targets, trusted.targets).signed
    entry = images.targets.get(accepted.release.path())
    return entry is not None and holds(entry, accepted.content) and accepted.release.counter >= floor_of(images)


def proven(trusted: Trusted, content: bytes, proof: bytes) -> Accepted | None:
    """A stored release, if metadata that any root of the chain vouches for listed it; else None."""
    for root in reversed(trusted.roots):
        targets = verified_by(read_role(Root, root).signed, Targets, proof)
        if targets is None:
            continue
        release = Release.parse(content)
        entry = targets.targets.get(release.path())
        if entry is not None and holds(entry, content):
            return Accepted(release, content, proof)
    return None


def floor_of(images: Targets) -> int:
    """The lowest counter that may start."""
    floor: Any = images.unrecognized_fields.get(FLOOR, 0)
    if type(floor) is not int or floor < 0:
        raise LogitsError(ErrorCode.INVALID, "the floor of the images' targets is no counter", field="floor")
    return floor


def _addressed(director: Targets, environment: str) -> None:
    # Also without a target: otherwise another environment's empty answer could be replayed here.
    if director.unrecognized_fields.get(ENVIRONMENT) != environment or director.delegations is not None:
        raise _refused("the director's word is for another environment", "environment")


def _same_file(allowed: TargetFile | None, wanted: TargetFile, content: bytes) -> None:
    if allowed is None:
        raise _refused("the offline keys don't allow the release that the director wants", "agreement")
    if allowed.length != wanted.length or allowed.hashes != wanted.hashes or "sha256" not in allowed.hashes:
        raise _refused("the director and the offline keys mean different files", "agreement")
    if not holds(wanted, content):
        raise _refused("the release file is not the one that was signed", "agreement")


def holds(entry: TargetFile, content: bytes) -> bool:
    """Whether a file is the one that the metadata means; without a SHA-256 nothing is."""
    if len(content) > MAX_RELEASE_BYTES:
        return False
    try:
        entry.verify_length_and_hashes(content)
    except LengthOrHashMismatchError:
        return False
    return "sha256" in entry.hashes


def _reason(director: Targets) -> str:
    reason: Any = director.unrecognized_fields.get(REASON, "")
    return reason if isinstance(reason, str) and _REASON_TEXT.fullmatch(reason) else ""


def _refused(message: str, rule: str) -> LogitsError:
    return LogitsError(ErrorCode.FORBIDDEN, message, field=rule)
