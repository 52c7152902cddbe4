"""Environments in the store: identities of clusters, and what the Ops API has been told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_accounts.adapters.organisations import Belonging, require
from logits_accounts.adapters.people import SignedIn
from logits_accounts.keys import EnvironmentKey
from logits_accounts.roles import Permission
from logits_accounts.tables import Environment
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.database import Database

MAX_ENVIRONMENTS = 200
"""Environments of one organisation."""


@dataclass(frozen=True)
class Announcement:
    """What the Ops API should know about one environment; ``gone`` when it should forget it."""

    environment: str
    name: str
    key_id: str
    key_sha256: str
    gone: bool

    @property
    def digest(self) -> str:
        """Names the content, so that a change made meanwhile is announced again."""
        return hashlib.sha256(f"{self.name}\0{self.key_sha256}".encode()).hexdigest()


class Environments:
    """Environments of organisations."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def of(self, organisation: str) -> list[Environment]:
        """The organisation's environments by name."""
        query = (
            select(Environment)
            .where(col(Environment.organisation_id) == organisation, col(Environment.deleted_at).is_(None))
            .order_by(func.lower(col(Environment.name)), col(Environment.id))
        )
        return await self._database.run(lambda session: list(session.scalars(query)))

    async def enter(
        self, user: SignedIn, environment: str, permission: Permission = Permission.VIEW
    ) -> tuple[Environment, Belonging]:
        """An environment and the person's belonging to its organisation.

        Raises:
            LogitsError: NOT_FOUND for strangers, FORBIDDEN for members whose role doesn't include it.
        """
        return await self._database.run(lambda s: _enter(s, user, environment, permission))

    async def create(
        self, user: SignedIn, organisation: str, name: str, *, environment: str, key: EnvironmentKey
    ) -> None:
        """Make an environment with its first key.

        Raises:
            LogitsError: FORBIDDEN, ALREADY_EXISTS for a name that is taken, OVER_LIMIT.
        """

        def work(session: Session) -> None:
            require(session, user, organisation, Permission.MANAGE_ENVIRONMENTS)
            _check_name(session, organisation, name)
            self.add(session, organisation, name, environment=environment, key=key)

        await self._database.run(work)

    def add(self, session: Session, organisation: str, name: str, *, environment: str, key: EnvironmentKey) -> None:
        """Add an environment within the caller's transaction."""
        now = self._clock()
        session.add(
            Environment(
                id=environment,
                organisation_id=organisation,
                name=name,
                key_id=key.key_id,
                key_sha256=key.sha256,
                key_created_at=now,
                created_at=now,
            )
        )

    async def rotate(self, user: SignedIn, environment: str, key: EnvironmentKey) -> None:
        """Put a new key in the place of the old one."""

        def work(session: Session) -> None:
            found, _ = _enter(session, user, environment, Permission.MANAGE_ENVIRONMENTS)
            found.key_id, found.key_sha256, found.key_created_at = key.key_id, key.sha256, self._clock()

        await self._database.run(work)

    async def delete(self, user: SignedIn, environment: str, typed_name: str) -> str:
        """Delete an environment whose name was typed to confirm it; returns its organisation.

        Raises:
            LogitsError: INVALID when the name isn't the environment's.
        """

        def work(session: Session) -> str:
            found, _ = _enter(session, user, environment, Permission.MANAGE_ENVIRONMENTS)
            if typed_name != found.name:
                raise LogitsError(
                    ErrorCode.INVALID, f"Type {found.name} to confirm that it should go.", field="confirmation"
                )
            found.deleted_at = self._clock()
            return found.organisation_id

        return await self._database.run(work)

    async def unannounced(self) -> list[Announcement]:
        """Environments of which the Ops API knows less than we do."""

        def work(session: Session) -> list[Announcement]:
            stored = session.scalars(select(Environment)).all()
            announcements = ((environment, _announcement(environment)) for environment in stored)
            return [a for e, a in announcements if a.gone or e.announced_sha256 != a.digest]

        return await self._database.run(work)

    async def announced(self, announcement: Announcement) -> None:
        """Record that the Ops API took an announcement; a deleted environment leaves the store."""

        def work(session: Session) -> None:
            found = session.get(Environment, announcement.environment)
            if found is None:
                return
            if announcement.gone:
                session.delete(found)
            else:
                found.announced_sha256 = announcement.digest

        await self._database.run(work)


def _enter(session: Session, user: SignedIn, environment: str, permission: Permission) -> tuple[Environment, Belonging]:
    found = session.get(Environment, environment)
    if found is None or found.deleted_at is not None:
        raise LogitsError(ErrorCode.NOT_FOUND, "there is no such environment, or you don't belong to it")
    try:
        return found, require(session, user, found.organisation_id, permission)
    except LogitsError as error:
        if error.code is ErrorCode.NOT_FOUND:
            raise LogitsError(ErrorCode.NOT_FOUND, "there is no such environment, or you don't belong to it") from None
        raise


def _check_name(session: Session, organisation: str, name: str) -> None:
    names = list(
        session.scalars(
            select(col(Environment.name)).where(
                col(Environment.organisation_id) == organisation, col(Environment.deleted_at).is_(None)
            )
        )
    )
    if name in names:
        raise LogitsError(ErrorCode.ALREADY_EXISTS, f"There is an environment {name} already.", field="name")
    if len(names) >= MAX_ENVIRONMENTS:
        raise LogitsError(
            ErrorCode.OVER_LIMIT, f"An organisation has at most {MAX_ENVIRONMENTS} environments.", field="name"
        )


def _announcement(found: Environment) -> Announcement:
    return Announcement(
        environment=found.id,
        name=found.name,
        key_id=found.key_id,
        key_sha256=found.key_sha256,
        gone=found.deleted_at is not None,
    )
