"""People in the store: sign-ups, proven accounts and signed-in browsers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_accounts.adapters.outbox import Outbox
from logits_accounts.mail import already_registered, confirm_address
from logits_accounts.tables import BrowserSession, Membership, Organisation, SignUp, User
from logits_accounts.tokens import token_sha256
from logits_shell.database import Database

SIGN_UP_SECONDS = 86_400.0


@dataclass(frozen=True)
class SignedIn:
    """The person behind a request."""

    user_id: str
    email: str


@dataclass(frozen=True)
class NewPerson:
    """What somebody who signs up tells us; ``organisation`` is empty for the invited."""

    email: str
    password_hash: str
    organisation: str
    next_path: str


class People:
    """Accounts of people and their sessions."""

    def __init__(
        self, database: Database, outbox: Outbox, clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._new_id = new_id

    async def sign_up(self, person: NewPerson, token: str) -> None:
        """Remember a sign-up and write to its address; a known address only gets a mail that says so."""

        def work(session: Session) -> None:
            now = self._clock()
            session.execute(delete(SignUp).where(col(SignUp.expires_at) < now))
            if _by_email(session, person.email) is not None:
                self._outbox.post(session, person.email, already_registered())
                return
            session.add(
                SignUp(
                    token_sha256=token_sha256(token),
                    email=person.email,
                    password_hash=person.password_hash,
                    organisation=person.organisation,
                    next_path=person.next_path,
                    expires_at=now + SIGN_UP_SECONDS,
                )
            )
            self._outbox.post(session, person.email, confirm_address(token))

        await self._database.run(work)

    async def pending(self, token: str) -> NewPerson | None:
        """The sign-up that a confirmation link stands for, while it lasts."""

        def work(session: Session) -> NewPerson | None:
            found = session.get(SignUp, token_sha256(token))
            if found is None or found.expires_at < self._clock():
                return None
            return NewPerson(found.email, found.password_hash, found.organisation, found.next_path)

        return await self._database.run(work)

    async def confirm(self, token: str) -> SignedIn | None:
        """Turn a sign-up into an account, with its organisation; None when the link is used up."""

        def work(session: Session) -> SignedIn | None:
            found = session.get(SignUp, token_sha256(token))
            if found is None or _by_email(session, found.email) is not None:
                return None
            user = self.create(session, found.email, found.password_hash, found.organisation)
            session.execute(delete(SignUp).where(col(SignUp.email) == found.email))
            return SignedIn(user.id, user.email)

        return await self._database.run(work)

    def create(self, session: Session, email: str, password_hash: str, organisation: str) -> User:
        """Make an account, and an organisation it owns unless the name is empty."""
        now = self._clock()
        user = User(id=self._new_id(), email=email, password_hash=password_hash, created_at=now)
        session.add(user)
        session.flush()
        if organisation:
            self.found(session, organisation, user.id)
        return user

    def found(self, session: Session, name: str, owner: str) -> str:
        """Found an organisation with its first owner; returns its id."""
        now = self._clock()
        organisation = Organisation(id=self._new_id(), name=name, created_at=now)
        session.add(organisation)
        session.flush()
        session.add(Membership(organisation_id=organisation.id, user_id=owner, role="owner", created_at=now))
        return organisation.id

    async def credentials(self, email: str) -> tuple[SignedIn, str] | None:
        """A person and the hash of their password."""

        def work(session: Session) -> tuple[SignedIn, str] | None:
            user = _by_email(session, email)
            return (SignedIn(user.id, user.email), user.password_hash) if user else None

        return await self._database.run(work)

    async def set_password_hash(self, user_id: str, password_hash: str) -> None:
        """Store a stronger hash of the same password."""

        def work(session: Session) -> None:
            user = session.get(User, user_id)
            if user is not None:
                user.password_hash = password_hash

        await self._database.run(work)

    async def open_session(self, user_id: str, token: str, *, lasts: float, replaces: str = "") -> None:
        """Remember a browser under a new token; the one it had before stops to count."""
        now = self._clock()

        def work(session: Session) -> None:
            stale = (col(BrowserSession.expires_at) < now) | (
                col(BrowserSession.token_sha256) == token_sha256(replaces)
            )
            session.execute(delete(BrowserSession).where(stale))
            session.add(
                BrowserSession(
                    token_sha256=token_sha256(token), user_id=user_id, created_at=now, expires_at=now + lasts
                )
            )

        await self._database.run(work)

    async def signed_in(self, token: str) -> SignedIn | None:
        """The person whose browser holds the token, while the session lasts."""

        def work(session: Session) -> SignedIn | None:
            found = session.get(BrowserSession, token_sha256(token))
            if found is None or found.expires_at <= self._clock():
                return None
            user = session.get(User, found.user_id)
            return SignedIn(user.id, user.email) if user else None

        return await self._database.run(work)

    async def close_session(self, token: str) -> None:
        """Forget a browser."""
        mine = col(BrowserSession.token_sha256) == token_sha256(token)
        await self._database.run(lambda s: s.execute(delete(BrowserSession).where(mine)))


def _by_email(session: Session, email: str) -> User | None:
    return session.scalars(select(User).where(col(User.email) == email)).one_or_none()
