"""Publication: what the vendor uploads to the Ops API, checked as strictly as a Gateway would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.agreement import TrustedPair, floor_of, holds
from logits_core.rollout.metadata import MAX_ROOTS, RepositoryFiles, Trusted, advance, follow_roots, root_pin
from logits_core.rollout.release import Release
from logits_core.rollout.tuf import Targets


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that the offline keys signed.

    Attributes:
        images: metadata of what may ever run, with all root versions.
        director: all root versions of the director; the rest of it is signed online.
        releases: content of every listed release by target path.
    """

    images: RepositoryFiles
    director: RepositoryFiles
    releases: dict[str, str]


@dataclass(frozen=True, slots=True)
class Published:
    """A publication that holds.

    Attributes:
        trusted: verified metadata; of the director only roots.
        releases: by version.
        contents: release files by version.
        floor: lowest counter that may start.
    """

    trusted: TrustedPair
    releases: Mapping[str, Release]
    contents: Mapping[str, bytes]
    floor: int


def check_publication(known: TrustedPair, publication: Publication, now: datetime) -> Published:
    """Check an upload against what was published before.

    Args:
        known: verified before; without roots, the first root of the upload is taken at its word.
        publication: untrusted.
        now: in UTC.

    Raises:
        LogitsError: as the rules of the metadata say, or INVALID when files are missing or wrong.
    """
    images = advance(_roots(known.images, publication.images), publication.images, now)
    director = _roots(known.director, publication.director)
    listed = images.listed()
    if listed is None:
        raise LogitsError(ErrorCode.INVALID, "there are no targets", field="images.targets")
    contents = {path: content.encode() for path, content in publication.releases.items()}
    releases = _read(listed, contents)
    return Published(
        TrustedPair(images, director),
        {release.version: release for release in releases.values()},
        {release.version: contents[path] for path, release in releases.items()},
        floor_of(listed),
    )


def _roots(known: Trusted, files: RepositoryFiles) -> Trusted:
    if not files.roots:
        raise LogitsError(ErrorCode.INVALID, "the root metadata is missing", field="roots")
    pin = root_pin(known.roots[0] if known.roots else files.roots[0].encode())
    for start in range(0, len(files.roots), MAX_ROOTS):
        part = RepositoryFiles(files.roots[start : start + MAX_ROOTS])
        known, refusal = follow_roots(known, part, pin)
        if refusal is not None:
            raise refusal
    return known


def _read(listed: Targets, contents: Mapping[str, bytes]) -> dict[str, Release]:
    releases: dict[str, Release] = {}
    for path, entry in listed.targets.items():
        content = contents.get(path)
        if content is None or not holds(entry, content):
            raise LogitsError(ErrorCode.INVALID, f"the content of {path} is missing or another one", field="releases")
        releases[path] = Release.parse(content)
        if releases[path].path() != path:
            raise LogitsError(ErrorCode.INVALID, f"{path} holds another version", field="releases")
    return releases
