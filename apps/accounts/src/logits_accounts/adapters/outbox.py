"""The outbox: mail is written in the transaction that causes it and sent afterwards."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, desc, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_accounts.mail import Letter
from logits_accounts.tables import Mail
from logits_shell.database import Database

PER_HOUR = 10
"""Mails to one address within an hour: more would make Accounts a means to pester somebody."""
KEPT_SECONDS = 7 * 86_400.0
MAX_ATTEMPTS = 8


class Outbox:
    """Outgoing mail.

    Args:
        database: the store.
        clock: seconds since the epoch.
        new_id: makes an id.
        on_drop: called for a mail that is dropped because its address gets too many.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        on_drop: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._on_drop = on_drop

    def post(self, session: Session, recipient: str, letter: Letter) -> None:
        """Put a letter into the outbox, within the caller's transaction."""
        now = self._clock()
        recent = session.scalar(
            select(func.count())
            .select_from(Mail)
            .where(col(Mail.recipient) == recipient, col(Mail.created_at) > now - 3600)
        )
        if (recent or 0) >= PER_HOUR:
            self._on_drop()
            return
        session.add(
            Mail(
                id=self._new_id(),
                recipient=recipient,
                subject=letter.subject,
                text=letter.text,
                link=letter.path,
                created_at=now,
            )
        )

    async def newest(self, limit: int) -> list[Mail]:
        """The newest mails first."""
        query = select(Mail).order_by(desc(col(Mail.created_at)), desc(col(Mail.id))).limit(limit)
        return await self._database.run(lambda session: list(session.scalars(query)))

    async def unsent(self, limit: int) -> list[Mail]:
        """Mails that still have to go out, the oldest first."""
        query = (
            select(Mail)
            .where(col(Mail.sent_at).is_(None), col(Mail.attempts) < MAX_ATTEMPTS)
            .order_by(col(Mail.created_at))
            .limit(limit)
        )
        return await self._database.run(lambda session: list(session.scalars(query)))

    async def note(self, mail: str, *, sent: bool) -> None:
        """Record an attempt; what was sent is forgotten, links and all."""

        def work(session: Session) -> None:
            found = session.get(Mail, mail)
            if found is not None and sent:
                session.delete(found)
            elif found is not None:
                found.attempts += 1

        await self._database.run(work)

    async def expire(self) -> None:
        """Delete what is too old to matter."""
        before = self._clock() - KEPT_SECONDS
        await self._database.run(lambda s: s.execute(delete(Mail).where(col(Mail.created_at) < before)))
