"""Operator sessions in the store: a signed-in browser is known by the hash of a random token."""

from __future__ import annotations

import hashlib

from sqlalchemy import delete
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_ops_api.tables import OperatorSession
from logits_shell.database import Database


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class OperatorSessions:
    """Sign-ins to the fleet page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, token: str, *, expires_at: float) -> None:
        """Remember a sign-in under a new random token."""
        await self._database.run(lambda s: s.add(OperatorSession(token_sha256=_hash(token), expires_at=expires_at)))

    async def is_open(self, token: str, now: float) -> bool:
        """Whether the token stands for a sign-in that still lasts."""

        def work(session: Session) -> bool:
            found = session.get(OperatorSession, _hash(token))
            return found is not None and found.expires_at > now

        return await self._database.run(work)

    async def close(self, token: str) -> None:
        """Forget a sign-in."""
        await self._database.run(
            lambda s: s.execute(delete(OperatorSession).where(col(OperatorSession.token_sha256) == _hash(token)))
        )
