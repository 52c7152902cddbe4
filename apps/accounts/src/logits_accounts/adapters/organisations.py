"""Organisations in the store: who belongs to which, in which role, and who is invited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_accounts.adapters.outbox import Outbox
from logits_accounts.adapters.people import People, SignedIn
from logits_accounts.mail import invitation
from logits_accounts.roles import Permission, Role, may, needed_to_assign
from logits_accounts.tables import Environment, Invitation, Membership, Organisation, User
from logits_accounts.tokens import token_sha256
from logits_core.errors import ErrorCode, LogitsError
from logits_shell.database import Database

INVITATION_SECONDS = 7 * 86_400.0
MAX_INVITATIONS = 50
"""Open invitations of one organisation."""


@dataclass(frozen=True)
class Belonging:
    """One organisation as one of its members sees it."""

    organisation_id: str
    name: str
    role: Role

    def may(self, permission: str) -> bool:
        """Whether the member may do this; takes the permission's name, as templates do."""
        return may(self.role, Permission(permission))


@dataclass(frozen=True)
class Member:
    """One member of an organisation."""

    user_id: str
    email: str
    role: Role


@dataclass(frozen=True)
class Invited:
    """One open invitation."""

    invitation_id: str
    organisation_id: str
    organisation: str
    email: str
    role: Role
    invited_by: str
    expires_at: float


class Organisations:
    """Organisations, their members and invitations; every change checks the caller's role itself."""

    def __init__(
        self,
        database: Database,
        people: People,
        outbox: Outbox,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._people = people
        self._outbox = outbox
        self._clock = clock
        self._new_id = new_id

    async def of(self, user: SignedIn) -> list[tuple[Belonging, int]]:
        """The person's organisations by name, each with its number of environments."""

        def work(session: Session) -> list[tuple[Belonging, int]]:
            query = (
                select(Organisation, Membership)
                .join(Membership, col(Membership.organisation_id) == col(Organisation.id))
                .where(col(Membership.user_id) == user.user_id)
                .order_by(func.lower(col(Organisation.name)), col(Organisation.id))
            )
            return [
                (Belonging(o.id, o.name, Role(m.role)), _environments(session, o.id)) for o, m in session.execute(query)
            ]

        return await self._database.run(work)

    async def found(self, user: SignedIn, name: str) -> str:
        """Found an organisation that the person owns; returns its id."""
        return await self._database.run(lambda session: self._people.found(session, name, user.user_id))

    async def enter(self, user: SignedIn, organisation: str, permission: Permission = Permission.VIEW) -> Belonging:
        """The organisation as the person sees it.

        Raises:
            LogitsError: NOT_FOUND for strangers, FORBIDDEN for members whose role doesn't include it.
        """
        return await self._database.run(lambda s: require(s, user, organisation, permission))

    async def members(self, organisation: str) -> tuple[list[Member], list[Invited]]:
        """Members and open invitations, by e-mail address."""

        def work(session: Session) -> tuple[list[Member], list[Invited]]:
            members = session.execute(
                select(User, Membership)
                .join(Membership, col(Membership.user_id) == col(User.id))
                .where(col(Membership.organisation_id) == organisation)
                .order_by(col(User.email))
            )
            invitations = session.scalars(
                select(Invitation)
                .where(col(Invitation.organisation_id) == organisation)
                .where(col(Invitation.expires_at) > self._clock())
                .order_by(col(Invitation.email))
            )
            return (
                [Member(u.id, u.email, Role(m.role)) for u, m in members],
                [_invited(session, i) for i in invitations],
            )

        return await self._database.run(work)

    async def assign(self, user: SignedIn, organisation: str, member: str, role: Role | None) -> None:
        """Change a member's role, or remove the member with ``role`` None; anybody may leave.

        Raises:
            LogitsError: NOT_FOUND, FORBIDDEN, or CONFLICT when no owner would be left.
        """

        def work(session: Session) -> None:
            belonging = require(session, user, organisation, Permission.VIEW)
            found = session.get(Membership, (organisation, member))
            if found is None:
                raise LogitsError(ErrorCode.NOT_FOUND, "this person is no member any more")
            leaving = member == user.user_id and role is None
            if not leaving:
                _demand(belonging, needed_to_assign(Role(found.role), role))
            if found.role == Role.OWNER and role is not Role.OWNER and _owners(session, organisation) == 1:
                raise LogitsError(
                    ErrorCode.CONFLICT,
                    "an organisation needs at least one owner; make somebody else an owner first",
                    field="role",
                )
            if role is None:
                session.delete(found)
            else:
                found.role = role.value

        await self._database.run(work)

    async def invite(self, user: SignedIn, organisation: str, email: str, *, role: Role, token: str) -> None:
        """Invite an address; inviting it again replaces the earlier invitation.

        Raises:
            LogitsError: FORBIDDEN, ALREADY_EXISTS for a member, OVER_LIMIT for too many.
        """

        def work(session: Session) -> None:
            belonging = require(session, user, organisation, needed_to_assign(None, role))
            self._check_invitee(session, organisation, email)
            session.add(
                Invitation(
                    id=self._new_id(),
                    organisation_id=organisation,
                    email=email,
                    role=role.value,
                    token_sha256=token_sha256(token),
                    invited_by=user.email,
                    expires_at=self._clock() + INVITATION_SECONDS,
                )
            )
            self._outbox.post(session, email, invitation(belonging.name, role.value, user.email, token))

        await self._database.run(work)

    def _check_invitee(self, session: Session, organisation: str, email: str) -> None:
        mine = col(Invitation.organisation_id) == organisation
        session.execute(delete(Invitation).where(mine, col(Invitation.expires_at) < self._clock()))
        session.execute(delete(Invitation).where(mine, col(Invitation.email) == email))
        member = (
            select(Membership)
            .join(User, col(User.id) == col(Membership.user_id))
            .where(col(Membership.organisation_id) == organisation, col(User.email) == email)
        )
        if session.scalars(member).first() is not None:
            raise LogitsError(ErrorCode.ALREADY_EXISTS, f"{email} is a member already.", field="email")
        waiting = session.scalar(select(func.count()).select_from(Invitation).where(mine))
        if (waiting or 0) >= MAX_INVITATIONS:
            raise LogitsError(
                ErrorCode.OVER_LIMIT,
                f"{MAX_INVITATIONS} invitations are open; take some back first.",
                field="email",
            )

    async def revoke(self, user: SignedIn, organisation: str, invitation_id: str) -> None:
        """Take an invitation back."""

        def work(session: Session) -> None:
            require(session, user, organisation, Permission.MANAGE_MEMBERS)
            found = session.get(Invitation, invitation_id)
            if found is not None and found.organisation_id == organisation:
                session.delete(found)

        await self._database.run(work)

    async def invitation(self, token: str) -> Invited:
        """The invitation that a link stands for.

        Raises:
            LogitsError: NOT_FOUND when it is used, taken back or expired.
        """
        return await self._database.run(lambda s: _invited(s, self._open(s, token)))

    def _open(self, session: Session, token: str) -> Invitation:
        query = select(Invitation).where(col(Invitation.token_sha256) == token_sha256(token))
        found = session.scalars(query).one_or_none()
        if found is None or found.expires_at <= self._clock():
            raise LogitsError(ErrorCode.NOT_FOUND, "this invitation is used, taken back or expired; ask for a new one")
        return found

    async def accept(self, user: SignedIn, token: str) -> str:
        """Join the organisation; returns its id.

        Raises:
            LogitsError: NOT_FOUND, or FORBIDDEN for another address than the invited one.
        """

        def work(session: Session) -> str:
            found = self._open(session, token)
            if found.email != user.email:
                raise LogitsError(
                    ErrorCode.FORBIDDEN,
                    f"the invitation is for {found.email}, and you are {user.email}: sign in with that address",
                )
            organisation, role = found.organisation_id, found.role
            session.delete(found)
            if session.get(Membership, (organisation, user.user_id)) is None:
                session.add(
                    Membership(
                        organisation_id=organisation,
                        user_id=user.user_id,
                        role=role,
                        created_at=self._clock(),
                    )
                )
            return organisation

        return await self._database.run(work)


def require(session: Session, user: SignedIn, organisation: str, permission: Permission) -> Belonging:
    """The person's belonging to an organisation, within a transaction.

    Raises:
        LogitsError: NOT_FOUND for strangers, FORBIDDEN for members whose role doesn't include it.
    """
    membership = session.get(Membership, (organisation, user.user_id))
    found = session.get(Organisation, organisation)
    if membership is None or found is None:
        raise LogitsError(ErrorCode.NOT_FOUND, "there is no such organisation, or you don't belong to it")
    belonging = Belonging(found.id, found.name, Role(membership.role))
    _demand(belonging, permission)
    return belonging


def _demand(belonging: Belonging, permission: Permission) -> None:
    if not may(belonging.role, permission):
        raise LogitsError(
            ErrorCode.FORBIDDEN,
            f"as {belonging.role} of {belonging.name} you may not {permission}; ask an owner",
        )


def _owners(session: Session, organisation: str) -> int:
    query = (
        select(func.count())
        .select_from(Membership)
        .where(col(Membership.organisation_id) == organisation, col(Membership.role) == Role.OWNER.value)
    )
    return session.scalar(query) or 0


def _environments(session: Session, organisation: str) -> int:
    query = (
        select(func.count())
        .select_from(Environment)
        .where(col(Environment.organisation_id) == organisation, col(Environment.deleted_at).is_(None))
    )
    return session.scalar(query) or 0


def _invited(session: Session, found: Invitation) -> Invited:
    organisation = session.get(Organisation, found.organisation_id)
    return Invited(
        invitation_id=found.id,
        organisation_id=found.organisation_id,
        organisation=organisation.name if organisation else "",
        email=found.email,
        role=Role(found.role),
        invited_by=found.invited_by,
        expires_at=found.expires_at,
    )
