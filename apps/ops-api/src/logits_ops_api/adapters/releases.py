"""Releases in the store: published once, then unchangeable, and pointed at by environments."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import desc, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.releases import PublishedRelease
from logits_ops_api.tables import Environment, Release
from logits_shell.database import Database


def newest_version(session: Session) -> str | None:
    """The version published last, for environments that have none yet."""
    order = (desc(col(Release.published_at)), desc(col(Release.counter)))
    return session.scalar(select(col(Release.version)).order_by(*order).limit(1))


class Releases:
    """Release envelopes by version."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def publish(self, release: PublishedRelease) -> tuple[bool, list[str]]:
        """Store a release; environments without any start to want it.

        Returns:
            Whether it is new, and the environments that now want it.

        Raises:
            LogitsError: ALREADY_EXISTS when the version stands for other content.
        """

        def work(session: Session) -> tuple[bool, list[str]]:
            known = session.get(Release, release.version)
            if known is not None:
                if known.digest != release.digest:
                    raise LogitsError(
                        ErrorCode.ALREADY_EXISTS,
                        f"version {release.version} is published with other content; publish a new version",
                        field="payload.version",
                    )
                return False, []
            session.add(
                Release(
                    version=release.version,
                    counter=release.counter,
                    envelope=release.envelope.decode(),
                    digest=release.digest,
                    published_at=self._clock(),
                )
            )
            session.flush()
            without = col(Environment.desired_version).is_(None)
            affected = list(session.scalars(select(col(Environment.id)).where(without)))
            session.execute(update(Environment).where(without).values(desired_version=release.version))
            return True, affected

        return await self._database.run(work)

    async def desire(self, environment: str, version: str) -> None:
        """Make a published release the one that an environment should run.

        Raises:
            LogitsError: NOT_FOUND for an unknown environment, INVALID for an unknown version.
        """

        def work(session: Session) -> None:
            found = session.get(Environment, environment)
            if found is None:
                raise LogitsError(ErrorCode.NOT_FOUND, f"there is no environment {environment}")
            if session.get(Release, version) is None:
                raise LogitsError(
                    ErrorCode.INVALID, f"version {version} is not published; publish it first", field="version"
                )
            found.desired_version = version

        await self._database.run(work)

    async def desired(self, environment: str) -> tuple[str, str] | None:
        """Digest and envelope of what an environment should run, if anything."""

        def work(session: Session) -> tuple[str, str] | None:
            query = (
                select(col(Release.digest), col(Release.envelope))
                .join(Environment, col(Environment.desired_version) == col(Release.version))
                .where(col(Environment.id) == environment)
            )
            row = session.execute(query).first()
            return (row[0], row[1]) if row else None

        return await self._database.run(work)

    async def listing(self) -> list[Release]:
        """Every release, the newest first."""
        order = desc(col(Release.published_at))
        return await self._database.run(lambda s: list(s.scalars(select(Release).order_by(order))))
