"""Retention in the store: what is too old or too much goes, in bounded steps."""

from __future__ import annotations

import msgspec
from sqlalchemy import delete, desc, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_ops_api.tables import Batch, Environment, LogLine, OperatorSession
from logits_shell.database import Database

STEP = 5_000
"""Rows deleted in one transaction, so that a long overdue clean-up never blocks the intake."""


class Retention(msgspec.Struct, frozen=True):
    """How much telemetry is kept: seconds of age, and rows per environment."""

    seconds: float
    log_lines: int
    metric_batches: int


class Expiry:
    """Deletes telemetry that the retention no longer covers."""

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention

    async def expire(self, now: float) -> int:
        """Delete everything outside the retention; returns the number of rows."""
        total = 0
        for environment in await self._database.run(_environments):
            while removed := await self._step(environment, now):
                total += removed
        await self._database.run(
            lambda s: s.execute(delete(OperatorSession).where(col(OperatorSession.expires_at) < now))
        )
        return total

    async def _step(self, environment: str, now: float) -> int:
        before = now - self._retention.seconds

        def work(session: Session) -> int:
            return _expire_lines(session, environment, before, self._retention.log_lines) + _expire_batches(
                session, environment, before, self._retention.metric_batches
            )

        return await self._database.run(work)


def _environments(session: Session) -> list[str]:
    return list(session.scalars(select(col(Environment.id))))


def _expire_lines(session: Session, environment: str, before: float, keep: int) -> int:
    mine = col(LogLine.environment_id) == environment
    oldest_kept = session.scalar(
        select(col(LogLine.id)).where(mine).order_by(desc(col(LogLine.id))).offset(keep).limit(1)
    )
    condition = (col(LogLine.received_at) < before) | (col(LogLine.id) <= (oldest_kept or 0))
    rows = list(session.scalars(select(col(LogLine.id)).where(mine, condition).limit(STEP)))
    session.execute(delete(LogLine).where(col(LogLine.id).in_(rows)))
    return len(rows)


def _expire_batches(session: Session, environment: str, before: float, keep: int) -> int:
    mine = col(Batch.environment_id) == environment
    metrics = col(Batch.kind) == "metrics"
    oldest_kept = session.scalar(
        select(col(Batch.id)).where(mine, metrics).order_by(desc(col(Batch.id))).offset(keep).limit(1)
    )
    condition = (col(Batch.received_at) < before) | (metrics & (col(Batch.id) <= (oldest_kept or 0)))
    rows = list(session.scalars(select(col(Batch.id)).where(mine, condition).limit(STEP)))
    session.execute(delete(Batch).where(col(Batch.id).in_(rows)))
    return len(rows)
