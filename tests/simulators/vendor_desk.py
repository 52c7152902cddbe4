"""A vendor for tests: all keys in one directory, releases signed at will, and the director's word as one likes it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from logits_core.rollout import Offer, Pins, Release, RepositoryFiles
from logits_core.rollout.signing import Wish, direct
from logits_release.desk import Ceremony, Lives, NewRelease, ReleaseDesk
from logits_release.directory import DIRECTOR, IMAGES, ReleaseDirectory
from logits_release.key_ring import KeyRing

ENVIRONMENT = "123e4567-e89b-42d3-a456-426614174000"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLAN = Ceremony(root=("root-1", "root-2", "root-3"), targets=("targets-1", "targets-2"))
CONTROLLER = {"controller": "localhost/logits/controller@sha256:" + "a" * 64}


@dataclass
class VendorDesk:
    """Offline desk and online director in one hand, which no real vendor has.

    Attributes:
        desk: the offline side.
        clock: the time of both sides.
        word: version of the director's last word.
    """

    desk: ReleaseDesk
    clock: Callable[[], datetime]
    word: int = 0
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @classmethod
    def begin(
        cls, path: Path | None = None, *, clock: Callable[[], datetime] = lambda: NOW, lives: Lives | None = None
    ) -> VendorDesk:
        """After a ceremony."""
        root = path or _fresh_directory()
        desk = ReleaseDesk(ReleaseDirectory(root / "releases"), KeyRing(root / "keys"), clock=clock, lives=lives)
        for name in PLAN.names:
            desk.ring.make(name)
        desk.begin(PLAN)
        return cls(desk, clock)

    @property
    def pins(self) -> Pins:
        return self.desk.directory.pins()

    def release(
        self, version: str, images: Mapping[str, str] = CONTROLLER, *, gateway: str = "", kubernetes: str = ""
    ) -> Release:
        """List a further release."""
        made = self.desk.draft_release(NewRelease(version, images, gateway, kubernetes))
        self.contents[made.path()] = made.encode()
        self.sign()
        return made

    def recall(self, version: str, floor: int = 0) -> None:
        self.desk.draft_recall(version, floor)
        self.sign()

    def sign(self) -> None:
        assert not self.desk.sign(self.desk.ring.names())

    def images(self) -> RepositoryFiles:
        return self.desk.directory.publication().images

    def director(
        self,
        version: str = "",
        *,
        environment: str = ENVIRONMENT,
        life: timedelta = timedelta(hours=6),
        reason: str = "",
        key: str = "director",
        content: bytes | None = None,
    ) -> RepositoryFiles:
        """The director's next word, with its roots."""
        self.word += 1
        path = f"releases/{version}.json" if version else ""
        wish = Wish(environment, self.word, path, self._content(path) if content is None else content, reason)
        signer = self.desk.ring.signer(key)
        word = direct(wish, dict.fromkeys(("targets", "snapshot", "timestamp"), signer), self.clock(), life)
        roots = tuple(root.decode() for root in self.desk.directory.roots(DIRECTOR))
        return msgspec.structs.replace(word, roots=roots)

    def offer(self, version: str = "", *, environment: str = ENVIRONMENT, reason: str = "") -> Offer:
        """What the Ops API would answer."""
        content = self._content(f"releases/{version}.json") if version else b""
        director = self.director(version, environment=environment, reason=reason)
        return Offer(self.images(), director, content.decode())

    def _content(self, path: str) -> bytes:
        return self.contents.get(path, b"")


def copied(vendor: VendorDesk) -> VendorDesk:
    """The same vendor in a directory of its own."""
    root = _fresh_directory()
    shutil.copytree(vendor.desk.directory.path, root / "releases")
    shutil.copytree(vendor.desk.ring.directory, root / "keys")
    desk = ReleaseDesk(ReleaseDirectory(root / "releases"), KeyRing(root / "keys"), clock=vendor.clock)
    return VendorDesk(desk, vendor.clock, vendor.word, dict(vendor.contents))


def _fresh_directory() -> Path:
    """Gone with the process, whatever lives longer than a test."""
    made = Path(tempfile.mkdtemp(prefix="logits-vendor-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def images_roots(vendor: VendorDesk) -> list[bytes]:
    """Root files of the offline repository, oldest first."""
    return vendor.desk.directory.roots(IMAGES)
