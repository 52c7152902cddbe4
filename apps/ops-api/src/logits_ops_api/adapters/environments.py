"""Environments in the store: identity, registration and the last report of each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.adapters.releases import newest_version
from logits_ops_api.schemas import EnvironmentKey, Registration, Report
from logits_ops_api.state import EnvironmentState
from logits_ops_api.tables import Batch, Environment, LogLine
from logits_shell.database import Database

SEEN_EVERY_SECONDS = 10.0
"""How stale ``last_seen_at`` may get, so that a poll doesn't always cost a write."""

_NOBODY = hashlib.sha256(b"").hexdigest()


class Environments:
    """Environments by id."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def authenticate(self, environment: str, key: str) -> bool:
        """Whether ``key`` is the environment's key; takes as long for an unknown environment."""
        presented = hashlib.sha256(key.encode()).hexdigest()
        now = self._clock()

        def work(session: Session) -> bool:
            found = session.get(Environment, environment)
            expected = found.key_sha256 if found else _NOBODY
            matches = hmac.compare_digest(presented, expected) and found is not None
            if matches and found and now - (found.last_seen_at or 0) >= SEEN_EVERY_SECONDS:
                found.last_seen_at = now
            return matches

        return await self._database.run(work)

    async def put(self, environment: str, key: EnvironmentKey) -> bool:
        """Create an environment or change its name and key; True when it is new."""

        def work(session: Session) -> bool:
            found = session.get(Environment, environment)
            if found is not None:
                found.name, found.key_id, found.key_sha256 = key.name, key.key_id, key.key_sha256
                return False
            session.add(
                Environment(
                    id=environment,
                    name=key.name,
                    key_id=key.key_id,
                    key_sha256=key.key_sha256,
                    created_at=self._clock(),
                    desired_version=newest_version(session),
                )
            )
            return True

        return await self._database.run(work)

    async def remove(self, environment: str) -> bool:
        """Delete an environment and all it ever sent; False when there is none."""

        def work(session: Session) -> bool:
            found = session.get(Environment, environment)
            if found is None:
                return False
            session.execute(delete(LogLine).where(col(LogLine.environment_id) == environment))
            session.execute(delete(Batch).where(col(Batch.environment_id) == environment))
            session.delete(found)
            return True

        return await self._database.run(work)

    async def register(self, environment: str, registration: Registration) -> None:
        """Record that a Gateway introduced its cluster; its reports are counted anew."""

        def work(session: Session) -> None:
            found = _existing(session, environment)
            found.registration = msgspec.json.encode(registration).decode()
            found.registered_at = self._clock()
            found.report_sequence = 0

        await self._database.run(work)

    async def report(self, environment: str, report: Report) -> bool:
        """Merge a report into what is known; False for one that is older than the last."""

        def work(session: Session) -> bool:
            found = _existing(session, environment)
            if report.sequence < found.report_sequence:
                return False
            merged: dict[str, Any] = json.loads(found.report)
            merged.update(json.loads(msgspec.json.encode(report)))
            merged.pop("sequence", None)
            found.report = json.dumps(merged)
            found.report_sequence = report.sequence
            found.reported_at = self._clock()
            return True

        return await self._database.run(work)

    async def state(self, environment: str) -> EnvironmentState:
        """Everything known about one environment but its telemetry.

        Raises:
            LogitsError: NOT_FOUND.
        """
        return await self._database.run(lambda session: _state(session, _existing(session, environment)))

    async def states(self) -> list[EnvironmentState]:
        """All environments, by name."""

        def work(session: Session) -> list[EnvironmentState]:
            order = (func.lower(col(Environment.name)), col(Environment.id))
            return [_state(session, e) for e in session.scalars(select(Environment).order_by(*order))]

        return await self._database.run(work)


def _existing(session: Session, environment: str) -> Environment:
    found = session.get(Environment, environment)
    if found is None:
        raise LogitsError(ErrorCode.NOT_FOUND, f"there is no environment {environment}")
    return found


def _state(session: Session, found: Environment) -> EnvironmentState:
    query = (
        select(col(Batch.kind), func.sum(col(Batch.records)))
        .where(col(Batch.environment_id) == found.id)
        .group_by(col(Batch.kind))
    )
    totals = {row[0]: int(row[1]) for row in session.execute(query)}
    return EnvironmentState(
        environment=found.id,
        name=found.name,
        key_id=found.key_id,
        created_at=found.created_at,
        last_seen_at=found.last_seen_at,
        registered_at=found.registered_at,
        registration=json.loads(found.registration) if found.registration else None,
        reported_at=found.reported_at,
        report=json.loads(found.report),
        desired_version=found.desired_version,
        log_records=totals.get("logs", 0),
        metric_samples=totals.get("metrics", 0),
    )
