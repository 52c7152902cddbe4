"""The release desk: the ceremony, and every later change as a draft that enough people sign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Pins, Release
from logits_core.rollout.agreement import FLOOR, floor_of
from logits_core.rollout.metadata import verified_by
from logits_core.rollout.release import release_path
from logits_core.rollout.signing import ROLES, RoleKeys, make_root, make_snapshot, make_targets, make_timestamp, signed
from logits_core.rollout.tuf import Key, Metadata, Root, Signer, Targets
from logits_release.directory import DIRECTOR, IMAGES, ReleaseDirectory
from logits_release.key_ring import KeyRing

DRAFTS = ((IMAGES, "root"), (DIRECTOR, "root"), (IMAGES, "targets"))
"""What may wait for signatures, by repository and role."""
_LAST = "logits-last-counter"
"""Field of the images' targets: the highest counter ever given, so that a recalled one isn't given again."""


@dataclass(frozen=True, slots=True)
class Lives:
    """How long signed metadata holds, in days."""

    root: float = 365
    targets: float = 90
    snapshot: float = 30
    timestamp: float = 7


@dataclass(frozen=True, slots=True)
class Ceremony:
    """Names of the keys for each role; one key may serve both repositories' roots."""

    root: tuple[str, ...]
    targets: tuple[str, ...]
    director: str = "director"
    snapshot: str = "snapshot"
    timestamp: str = "timestamp"
    root_threshold: int = 2
    targets_threshold: int = 2

    @property
    def names(self) -> tuple[str, ...]:
        """Every key that it needs."""
        return (*self.root, *self.targets, self.director, self.snapshot, self.timestamp)


@dataclass(frozen=True, slots=True)
class Change:
    """How a role's keys change: names to add and to remove, and a new threshold, 0 to keep it."""

    repository: str
    role: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    threshold: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a draft is: the names that signed, and how many signatures are missing."""

    repository: str
    role: str
    signed: tuple[str, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class NewRelease:
    """What a new release holds, besides the counter that the desk gives it."""

    version: str
    images: Mapping[str, str] = field(repr=False)
    gateway: str = ""
    kubernetes: str = ""


class ReleaseDesk:
    """Makes drafts, collects signatures, and completes what has enough of them.

    Args:
        directory: where the repositories are.
        ring: the keys at hand.
        clock: the time, with time zone.
        lives: how long metadata holds.
    """

    def __init__(
        self,
        directory: ReleaseDirectory,
        ring: KeyRing,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        lives: Lives | None = None,
    ) -> None:
        self.directory = directory
        self.ring = ring
        self._clock = clock
        self._lives = lives or Lives()

    def begin(self, ceremony: Ceremony) -> Pins:
        """Sign the first roots of both repositories and an empty list of releases.

        All keys must be on the ring, so all holders in the room.

        Raises:
            LogitsError: ALREADY_EXISTS, INVALID, NOT_FOUND.
        """
        if self.directory.begun:
            raise LogitsError(ErrorCode.ALREADY_EXISTS, f"{self.directory.path} holds releases already")
        root = self._role(ceremony.root, ceremony.root_threshold)
        online = self._role((ceremony.director,), 1)
        images = {
            "root": root,
            "targets": self._role(ceremony.targets, ceremony.targets_threshold),
            "snapshot": self._role((ceremony.snapshot,), 1),
            "timestamp": self._role((ceremony.timestamp,), 1),
        }
        director = dict.fromkeys(ROLES, online) | {"root": root}
        signers = [self.ring.signer(name) for name in ceremony.root]
        for repository, roles in ((IMAGES, images), (DIRECTOR, director)):
            made = _made_root(1, roles, self._expires("root"))
            self.directory.keep(repository, signed(made, signers))
        self._draft_targets({}, {FLOOR: 0}, 1)
        self.sign((*ceremony.targets, ceremony.snapshot, ceremony.timestamp))
        return self.directory.pins()

    def draft_release(self, new: NewRelease) -> Release:
        """Draft targets that list a further release.

        Raises:
            LogitsError: ALREADY_EXISTS, INVALID.
        """
        version, files, fields = self._listed()
        if release_path(new.version) in files:
            raise LogitsError(ErrorCode.ALREADY_EXISTS, f"version {new.version} is taken", field="version")
        counters = [Release.parse(content).counter for content in files.values()]
        release = Release.make(
            version=new.version,
            counter=max([*counters, int(fields.get(FLOOR, 0)), int(fields.get(_LAST, 0))]) + 1,
            issued_at=self._clock(),
            images=new.images,
            gateway=new.gateway,
            kubernetes=new.kubernetes,
        )
        self.directory.keep_release(release.path(), release.encode())
        self._draft_targets(files | {release.path(): release.encode()}, fields | {_LAST: release.counter}, version + 1)
        return release

    def draft_recall(self, version: str, floor: int = 0) -> None:
        """Draft targets without a release, and with a higher floor if one is given.

        Raises:
            LogitsError: NOT_FOUND, INVALID.
        """
        number, files, fields = self._listed()
        if files.pop(release_path(version), None) is None:
            raise LogitsError(ErrorCode.NOT_FOUND, f"version {version} isn't listed", field="version")
        if floor and floor < int(fields.get(FLOOR, 0)):
            raise LogitsError(ErrorCode.INVALID, "the floor never goes down", field="floor")
        self._draft_targets(files, fields | {FLOOR: floor or fields.get(FLOOR, 0)}, number + 1)

    def draft_root(self, change: Change) -> None:
        """Draft a root with other keys; targets are drafted anew when their keys change.

        Raises:
            LogitsError: INVALID, NOT_FOUND.
        """
        root = self.directory.root(change.repository)
        roles = {name: _role_keys(root, name) for name in ROLES}
        if change.role not in roles:
            raise LogitsError(ErrorCode.INVALID, f"the roles are {', '.join(ROLES)}", field="role")
        before = roles[change.role]
        gone = {self.ring.key(name).keyid for name in change.remove}
        kept = [key for key in before.keys if key.keyid not in gone]
        added = [self.ring.key(name) for name in change.add]
        roles[change.role] = RoleKeys((*kept, *added), change.threshold or before.threshold)
        made = _made_root(root.version + 1, roles, self._expires("root"))
        self.directory.keep_draft(change.repository, "root", made.to_bytes())
        if (change.repository, change.role) == (IMAGES, "targets"):
            version, files, fields = self._listed()
            self._draft_targets(files, fields, version + 1)

    def sign(self, names: Iterable[str]) -> list[Progress]:
        """Sign every draft with these keys as far as they are its role's, and complete what has enough.

        Returns:
            The drafts that still wait.

        Raises:
            LogitsError: NOT_FOUND, INVALID.
        """
        signers = {name: self.ring.signer(name) for name in names}
        waiting = [progress for draft in DRAFTS if (progress := self._sign_draft(*draft, signers)) is not None]
        if not any(progress.repository == IMAGES for progress in waiting):
            self.refresh(signers)
        return waiting

    def refresh(self, signers: Mapping[str, Signer] | None = None) -> bool:
        """Sign a new timestamp, and a new snapshot if need be.

        Args:
            signers: by key name; None takes what the ring has.

        Returns:
            False when the keys for that aren't among the signers.
        """
        root = self.directory.root(IMAGES)
        found = self.directory.targets()
        if found is None or verified_by(root, Targets, found[0]) is None:
            return False
        at_hand = self._online(root, signers)
        if at_hand is None:
            return False
        snapshot, timestamp = self.directory.snapshot(), self.directory.timestamp()
        number = snapshot[1].version + 1 if snapshot else 1
        content = signed(
            make_snapshot(number, found[0], found[1].version, self._expires("snapshot")), [at_hand["snapshot"]]
        )
        self.directory.keep(IMAGES, content)
        made = make_timestamp(timestamp.version + 1 if timestamp else 1, content, number, self._expires("timestamp"))
        self.directory.keep(IMAGES, signed(made, [at_hand["timestamp"]]))
        return True

    def _online(self, root: Root, signers: Mapping[str, Signer] | None) -> dict[str, Signer] | None:
        chosen: dict[str, Signer] = {}
        for role in ("snapshot", "timestamp"):
            names = [self.ring.name_of(keyid) for keyid in root.roles[role].keyids]
            name = next((name for name in names if name in (self.ring.names() if signers is None else signers)), None)
            if name is None:
                return None
            chosen[role] = self.ring.signer(name) if signers is None else signers[name]
        return chosen

    def _sign_draft(self, repository: str, role: str, signers: Mapping[str, Signer]) -> Progress | None:
        content = self.directory.draft(repository, role)
        if content is None:
            return None
        draft = Metadata[Any].from_bytes(content)
        roots = self._deciding(repository, draft)
        wanted = {keyid for root in roots for keyid in root.roles[role].keyids}
        for signer in signers.values():
            if signer.public_key.keyid in wanted:
                draft.sign(signer, append=True)
        results = [root.get_verification_result(role, draft.signed_bytes, draft.signatures) for root in roots]
        if all(results):
            self.directory.keep(repository, draft.to_bytes())
            self.directory.drop_draft(repository, role)
            return None
        self.directory.keep_draft(repository, role, draft.to_bytes())
        names = {self.ring.name_of(keyid) for result in results for keyid in result.signed}
        return Progress(repository, role, tuple(sorted(names)), max(result.missing for result in results))

    def _deciding(self, repository: str, draft: Metadata[Any]) -> list[Root]:
        """Whose thresholds count: the newest root's, and for a root its own too."""
        roots = [self.directory.root(repository)]
        return [*roots, draft.signed] if isinstance(draft.signed, Root) else roots

    def _listed(self) -> tuple[int, dict[str, bytes], dict[str, Any]]:
        found = self.directory.targets()
        if found is None:
            raise LogitsError(ErrorCode.NOT_FOUND, f"{self.directory.path} holds no releases; hold the ceremony first")
        signed_version = found[1].version
        draft = self.directory.draft(IMAGES, "targets")
        # A further change joins the draft; signatures that it had no longer fit and go.
        current: Targets = Metadata[Targets].from_bytes(draft).signed if draft else found[1]
        fields = dict(current.unrecognized_fields) | {FLOOR: floor_of(current)}
        return signed_version, self.directory.releases(current), fields

    def _draft_targets(self, files: Mapping[str, bytes], fields: Mapping[str, Any], version: int) -> None:
        draft = make_targets(version, files, self._expires("targets"), fields)
        self.directory.keep_draft(IMAGES, "targets", draft.to_bytes())

    def _role(self, names: Iterable[str], threshold: int) -> RoleKeys:
        return RoleKeys(tuple(self.ring.key(name) for name in names), threshold)

    def _expires(self, role: str) -> datetime:
        life = timedelta(days=getattr(self._lives, role))
        return (self._clock().astimezone(UTC) + life).replace(microsecond=0)


def _made_root(version: int, roles: Mapping[str, RoleKeys], expires: datetime) -> Metadata[Root]:
    try:
        return make_root(version, roles, expires)
    except ValueError as failure:
        raise LogitsError(ErrorCode.INVALID, str(failure), field="keys") from failure


def _role_keys(root: Root, name: str) -> RoleKeys:
    keys: list[Key] = [root.keys[keyid] for keyid in root.roles[name].keyids]
    return RoleKeys(tuple(keys), root.roles[name].threshold)
