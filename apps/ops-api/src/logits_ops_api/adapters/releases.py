"""Releases in the store: what the offline keys list, which of it each environment should run, and the offers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from sqlalchemy import desc, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout import Offer, RepositoryFiles, Trusted, TrustedPair
from logits_core.rollout.metadata import MAX_ROOTS
from logits_core.rollout.publication import Publication, Published, check_publication
from logits_core.rollout.release import content_digest, release_path
from logits_core.rollout.signing import Wish
from logits_ops_api.director import Director, inputs
from logits_ops_api.tables import Environment, Release, Repository
from logits_shell.database import Database

_ONLY = 1
NOTHING = ('"none"', msgspec.json.encode(Offer()))


@dataclass(frozen=True, slots=True)
class Known:
    """Versions of the roots that a Gateway has, 0 for none: it is sent what follows."""

    images: int = 0
    director: int = 0

    @classmethod
    def parse(cls, text: str) -> Known:
        """Read ``IMAGES,DIRECTOR``."""
        images, _, director = text.partition(",")
        return cls(int(images), int(director))


def newest_version(session: Session) -> str | None:
    """The release with the highest counter that isn't recalled, for environments that have none yet."""
    query = select(col(Release.version)).where(col(Release.recalled).is_(False))
    return session.scalar(query.order_by(desc(col(Release.counter))).limit(1))


class Releases:
    """Releases by version, and the director's word for each environment.

    Args:
        database: the store.
        director: signs.
        clock: seconds since the epoch.
    """

    def __init__(self, database: Database, director: Director, clock: Callable[[], float]) -> None:
        self._database = database
        self._director = director
        self._clock = clock

    async def publish(self, publication: Publication) -> tuple[bool, list[str]]:
        """Store what the offline keys signed, if a Gateway would take it; newly listed releases are offered.

        Returns:
            Whether anything is new, and the environments to wake.

        Raises:
            LogitsError: what is wrong with it; CONFLICT when it is older than what is published.
        """

        def work(session: Session) -> tuple[bool, list[str]]:
            row = session.get(Repository, _ONLY)
            now = self._clock()
            checked = check_publication(_trusted(row), publication, datetime.fromtimestamp(now, UTC))
            self._director.signers(checked.trusted.director.root)
            images = msgspec.json.encode(checked.trusted.images.files()).decode()
            director = msgspec.json.encode(checked.trusted.director.files()).decode()
            if row is not None and (row.images, row.director) == (images, director):
                return False, []
            session.merge(Repository(id=_ONLY, images=images, director=director, published_at=now))
            _list_releases(session, checked, now)
            without = col(Environment.desired_version).is_(None)
            session.execute(update(Environment).where(without).values(desired_version=newest_version(session)))
            return True, list(session.scalars(select(col(Environment.id))))

        return await self._database.run(work)

    async def desire(self, environment: str, version: str, reason: str) -> None:
        """Make a published release the one that an environment should run.

        Raises:
            LogitsError: NOT_FOUND for an unknown environment, INVALID for an unknown or recalled version.
        """

        def work(session: Session) -> None:
            found = session.get(Environment, environment)
            if found is None:
                raise LogitsError(ErrorCode.NOT_FOUND, f"there is no environment {environment}")
            release = session.get(Release, version)
            if release is None or release.recalled:
                state = "recalled" if release else "not published"
                raise LogitsError(
                    ErrorCode.INVALID, f"version {version} is {state}; publish another first", field="version"
                )
            found.desired_version, found.desired_reason = version, reason

        await self._database.run(work)

    async def offer(self, environment: str, known: Known) -> tuple[str, bytes]:
        """ETag and content of what an environment is told.

        Raises:
            LogitsError: NOT_FOUND.
        """

        def work(session: Session) -> tuple[str, bytes]:
            # Two words of one version would look like an attack: one request at a time signs for an environment.
            row, found = session.get(Repository, _ONLY), session.get(Environment, environment, with_for_update=True)
            if found is None:
                raise LogitsError(ErrorCode.NOT_FOUND, f"there is no environment {environment}")
            if row is None:
                return NOTHING
            release = session.get(Release, found.desired_version) if found.desired_version else None
            wanted = None if release is None or release.recalled else release
            images = msgspec.json.decode(row.images, type=RepositoryFiles)
            director = msgspec.json.decode(row.director, type=RepositoryFiles)
            word = self._word(found, wanted, director)
            offer = Offer(_after(images, known.images), _after(word, known.director), wanted.content if wanted else "")
            content = msgspec.json.encode(offer)
            return f'"{hashlib.sha256(content).hexdigest()[:32]}"', content

        return await self._database.run(work)

    async def listing(self) -> list[Release]:
        """Every release, the newest first."""
        order = desc(col(Release.counter))
        return await self._database.run(lambda s: list(s.scalars(select(Release).order_by(order))))

    def _word(self, found: Environment, wanted: Release | None, roots: RepositoryFiles) -> RepositoryFiles:
        """The signed word, the last one as long as it says the same and has half of its life ahead."""
        now = self._clock()
        wish = Wish(
            environment=found.id,
            # By the clock, so that a store that was lost or restored doesn't seem to go back.
            version=max(found.word_version + 1, int(now)),
            path=release_path(wanted.version) if wanted else "",
            content=wanted.content.encode() if wanted else b"",
            reason=found.desired_reason if wanted else "",
        )
        made_of = inputs(wish, roots.roots)
        fresh = found.word_expires_at - now > self._director.life.total_seconds() / 2
        if found.word is None or found.word_inputs != made_of or not fresh:
            root = Trusted.stored(roots).root
            found.word = msgspec.json.encode(self._director.word(wish, root, now)).decode()
            found.word_version, found.word_inputs = wish.version, made_of
            found.word_expires_at = now + self._director.life.total_seconds()
        return msgspec.structs.replace(msgspec.json.decode(found.word, type=RepositoryFiles), roots=roots.roots)


def _list_releases(session: Session, checked: Published, now: float) -> None:
    for version, release in checked.releases.items():
        content = checked.contents[version]
        known = session.get(Release, version)
        session.merge(
            Release(
                version=version,
                counter=release.counter,
                content=content.decode(),
                digest=content_digest(content),
                published_at=known.published_at if known else now,
                recalled=release.counter < checked.floor,
            )
        )
    session.flush()
    session.execute(update(Release).where(col(Release.version).not_in(checked.releases)).values(recalled=True))


def _trusted(row: Repository | None) -> TrustedPair:
    if row is None:
        return TrustedPair()
    images = msgspec.json.decode(row.images, type=RepositoryFiles)
    return TrustedPair(Trusted.stored(images), Trusted.stored(msgspec.json.decode(row.director, type=RepositoryFiles)))


def _after(files: RepositoryFiles, version: int) -> RepositoryFiles:
    """The files with the roots that follow a version, as many as travel at once."""
    roots = files.roots[version : version + MAX_ROOTS]
    if version + MAX_ROOTS < len(files.roots):
        return RepositoryFiles(roots)  # what the newest root signs comes with it
    return msgspec.structs.replace(files, roots=roots)
