"""The first release: a key ceremony in the data directory, this checkout's images signed and published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec

from logits_core.rollout import Pins, Release
from logits_local.platform.answers import checked
from logits_local.platform.components import RELEASED_COMPONENTS
from logits_release.desk import Ceremony, Lives, NewRelease, ReleaseDesk
from logits_release.directory import ReleaseDirectory
from logits_release.key_ring import KeyRing

_NOT_FOUND = 404
CEREMONY = Ceremony(root=("root-1", "root-2", "root-3"), targets=("targets-1", "targets-2"))
"""The vendor's own shape; here all keys lie in one directory, which only a laptop may do."""


def release_desk(root: Path) -> ReleaseDesk:
    """The vendor's desk of an embedded platform, after its ceremony.

    Args:
        root: the data directory.
    """
    # Nobody signs anew on a laptop that stays up for weeks; every start does.
    desk = ReleaseDesk(ReleaseDirectory(root / "releases"), KeyRing(root / "release-keys"), lives=Lives(timestamp=90))
    if not desk.directory.begun:
        for name in CEREMONY.names:
            if name not in desk.ring.names():
                desk.ring.make(name)
        desk.begin(CEREMONY)
    return desk


def pins(root: Path) -> Pins:
    """What the Gateway is installed with."""
    return release_desk(root).directory.pins()


def director_key(root: Path) -> str:
    """The director's private key in PEM, for the Ops API."""
    return (release_desk(root).ring.directory / f"{CEREMONY.director}.pem").read_text()


def current_release(desk: ReleaseDesk, references: Mapping[str, str], version: str) -> None:
    """See that the newest signed release names these images, and that nothing of it expires soon.

    Args:
        desk: after the ceremony.
        references: component to image reference.
        version: the version that the images have.

    Raises:
        LogitsError: the version stands for other images.
    """
    images = {component: references[component] for component in RELEASED_COMPONENTS}
    found = desk.directory.targets()
    files = desk.directory.releases(found[1]) if found else {}
    releases = [Release.parse(content) for content in files.values()]
    if not any(release.version == version and dict(release.images) == images for release in releases):
        desk.draft_release(NewRelease(version, images))
    # Without a draft this signs a fresh timestamp only.
    desk.sign(desk.ring.names())


async def publish(http: httpx.AsyncClient, desk: ReleaseDesk) -> None:
    """Publish all that is signed at the Ops API; publishing the same again changes nothing.

    Args:
        http: a client of the Ops API with the operator's token.
        desk: what to publish.

    Raises:
        httpx.TransportError: nobody listens yet.
        LogitsError: the Ops API refused.
    """
    content = msgspec.json.encode(desk.directory.publication())
    checked(await http.post("/operator/v1/releases", content=content))


async def desire(http: httpx.AsyncClient, env_id: str, version: str) -> bool:
    """Make an environment want a version; False while Accounts hasn't made it known yet."""
    body = {"version": version, "reason": "the version that logits up was started with"}
    answer = await http.put(f"/operator/v1/environments/{env_id}/desired", json=body)
    return answer.status_code != _NOT_FOUND and checked(answer).is_success
