"""The release directory: both repositories' files, in the layout that any TUF client reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Pins, RepositoryFiles, root_pin
from logits_core.rollout.metadata import read_role
from logits_core.rollout.publication import Publication
from logits_core.rollout.release import content_digest
from logits_core.rollout.tuf import Metadata, Root, Snapshot, Targets, Timestamp

IMAGES, DIRECTOR = "images", "director"
_FIRST = 1


class ReleaseDirectory:
    """Reads and writes signed metadata, drafts and release files; decides nothing.

    ``images/metadata`` and ``images/targets`` can be served as they are; ``director/metadata`` holds roots only.

    Args:
        path: of the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def begun(self) -> bool:
        """Whether the ceremony was held."""
        return (self._metadata(IMAGES) / "1.root.json").exists()

    def pins(self) -> Pins:
        """What customers pin: the first root of both repositories.

        Raises:
            LogitsError: NOT_FOUND before the ceremony.
        """
        return Pins(*(root_pin(self._root_bytes(repository, _FIRST)) for repository in (IMAGES, DIRECTOR)))

    def roots(self, repository: str) -> list[bytes]:
        """All root versions, oldest first."""
        found: list[bytes] = []
        while (path := self._metadata(repository) / f"{len(found) + 1}.root.json").exists():
            found.append(path.read_bytes())
        return found

    def root(self, repository: str) -> Root:
        """The newest root."""
        roots = self.roots(repository)
        if not roots:
            raise LogitsError(ErrorCode.NOT_FOUND, f"{self.path} holds no releases; hold the ceremony first")
        return read_role(Root, roots[-1]).signed

    def timestamp(self) -> Timestamp | None:
        """The newest timestamp."""
        path = self._metadata(IMAGES) / "timestamp.json"
        return read_role(Timestamp, path.read_bytes()).signed if path.exists() else None

    def snapshot(self) -> tuple[bytes, Snapshot] | None:
        """The newest snapshot."""
        found = self._newest("snapshot")
        return (found, read_role(Snapshot, found).signed) if found else None

    def targets(self) -> tuple[bytes, Targets] | None:
        """The newest signed targets."""
        found = self._newest("targets")
        return (found, read_role(Targets, found).signed) if found else None

    @property
    def current(self) -> bool:
        """Whether snapshot and timestamp name the newest targets."""
        targets, snapshot, timestamp = self.targets(), self.snapshot(), self.timestamp()
        if targets is None or snapshot is None or timestamp is None:
            return False
        named = snapshot[1].meta["targets.json"].version, timestamp.snapshot_meta.version
        return named == (targets[1].version, snapshot[1].version)

    def keep(self, repository: str, content: bytes) -> None:
        """Write signed metadata under the name that its role and version give it."""
        role: Any = Metadata[Any].from_bytes(content).signed
        name = "timestamp.json" if role.type == "timestamp" else f"{role.version}.{role.type}.json"
        _write(self._metadata(repository) / name, content)

    def draft(self, repository: str, role: str) -> bytes | None:
        """A draft that waits for signatures."""
        path = self._draft(repository, role)
        return path.read_bytes() if path.exists() else None

    def keep_draft(self, repository: str, role: str, content: bytes) -> None:
        """Write a draft."""
        _write(self._draft(repository, role), content)

    def drop_draft(self, repository: str, role: str) -> None:
        """Forget a draft."""
        self._draft(repository, role).unlink(missing_ok=True)

    def keep_release(self, path: str, content: bytes) -> None:
        """Write a release file, named by its digest as consistent snapshots want it."""
        _write(self._release(path, content_digest(content)), content)

    def releases(self, targets: Targets) -> dict[str, bytes]:
        """The content of every listed release by target path."""
        return {p: self._release(p, entry.hashes["sha256"]).read_bytes() for p, entry in targets.targets.items()}

    def publication(self) -> Publication:
        """Everything to upload.

        Raises:
            LogitsError: NOT_FOUND before the ceremony is complete.
        """
        snapshot, targets = self.snapshot(), self.targets()
        timestamp = self._metadata(IMAGES) / "timestamp.json"
        if snapshot is None or targets is None or not self.current:
            message = f"the newest targets in {self.path} have no snapshot and timestamp; run logits release refresh"
            raise LogitsError(ErrorCode.NOT_FOUND, message)
        roots = tuple(root.decode() for root in self.roots(IMAGES))
        images = RepositoryFiles(roots, timestamp.read_text(), snapshot[0].decode(), targets[0].decode())
        director = RepositoryFiles(tuple(root.decode() for root in self.roots(DIRECTOR)))
        files = {path: content.decode() for path, content in self.releases(targets[1]).items()}
        return Publication(images, director, files)

    def _newest(self, role: str) -> bytes | None:
        found = sorted(self._metadata(IMAGES).glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))
        return found[-1].read_bytes() if found else None

    def _root_bytes(self, repository: str, version: int) -> bytes:
        roots = self.roots(repository)
        if len(roots) < version:
            raise LogitsError(ErrorCode.NOT_FOUND, f"{self.path} holds no releases; hold the ceremony first")
        return roots[version - 1]

    def _metadata(self, repository: str) -> Path:
        return self.path / repository / "metadata"

    def _draft(self, repository: str, role: str) -> Path:
        return self.path / "drafts" / f"{repository}.{role}.json"

    def _release(self, path: str, digest: str) -> Path:
        folder, _, name = path.rpartition("/")
        return self.path / IMAGES / "targets" / folder / f"{digest}.{name}"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
