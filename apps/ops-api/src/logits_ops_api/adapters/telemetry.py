"""Logs and metrics in the store: every record once, however often and however cut it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import desc, select
from sqlalchemy.orm import Session
from sqlmodel import col

from logits_core.redaction import ExportedRecord
from logits_ops_api.tables import Batch, LogLine
from logits_shell.database import Database


class Receipt(msgspec.Struct, frozen=True):
    """What became of a batch: ``accepted`` records were new; ``duplicate`` when the batch was known."""

    accepted: int
    duplicate: bool


class Telemetry:
    """Batches and the log lines of every environment."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def store_logs(self, environment: str, key: str, records: list[ExportedRecord]) -> Receipt:
        """Store a log batch; records that another batch brought already are left out."""

        def work(session: Session) -> Receipt:
            batch = Batch(environment_id=environment, kind="logs", key=key, records=0, received_at=self._clock())
            if not _claim(session, batch):
                return Receipt(accepted=0, duplicate=True)
            new = {(r.stream, r.sequence): r for r in records}
            for stream in {stream for stream, _ in new}:
                for sequence in _known(session, environment, stream, new):
                    del new[stream, sequence]
            session.add_all(_line(environment, record, batch.received_at) for record in new.values())
            batch.records = len(new)
            return Receipt(accepted=len(new), duplicate=False)

        return await self._database.run(work)

    async def store_metrics(self, environment: str, key: str, plain: bytes, samples: int) -> Receipt:
        """Store a metric batch as it came, checked but not taken apart."""

        def work(session: Session) -> Receipt:
            batch = Batch(
                environment_id=environment,
                kind="metrics",
                key=key,
                records=samples,
                received_at=self._clock(),
                body=plain.decode(),
            )
            if not _claim(session, batch):
                return Receipt(accepted=0, duplicate=True)
            return Receipt(accepted=samples, duplicate=False)

        return await self._database.run(work)

    async def lines(self, environment: str, after: int, limit: int) -> list[tuple[int, str]]:
        """Up to ``limit`` log lines with a row number above ``after``, oldest first."""

        def work(session: Session) -> list[tuple[int, str]]:
            query = (
                select(col(LogLine.id), col(LogLine.record))
                .where(col(LogLine.environment_id) == environment, col(LogLine.id) > after)
                .order_by(col(LogLine.id))
                .limit(limit)
            )
            return [(number or 0, record) for number, record in session.execute(query)]

        return await self._database.run(work)

    async def newest_lines(self, environment: str, limit: int) -> list[tuple[int, str]]:
        """The newest ``limit`` log lines, the newest first."""

        def work(session: Session) -> list[tuple[int, str]]:
            query = (
                select(col(LogLine.id), col(LogLine.record))
                .where(col(LogLine.environment_id) == environment)
                .order_by(desc(col(LogLine.id)))
                .limit(limit)
            )
            return [(number or 0, record) for number, record in session.execute(query)]

        return await self._database.run(work)

    async def metrics(self, environment: str, after: int, limit: int) -> list[tuple[int, str]]:
        """Up to ``limit`` metric batches (NDJSON) with a row number above ``after``, oldest first."""

        def work(session: Session) -> list[tuple[int, str]]:
            query = (
                select(col(Batch.id), col(Batch.body))
                .where(col(Batch.environment_id) == environment, col(Batch.id) > after)
                .where(col(Batch.kind) == "metrics", col(Batch.body).is_not(None))
                .order_by(col(Batch.id))
                .limit(limit)
            )
            return [(number or 0, body or "") for number, body in session.execute(query)]

        return await self._database.run(work)


def _claim(session: Session, batch: Batch) -> bool:
    query = select(col(Batch.id)).where(
        col(Batch.environment_id) == batch.environment_id,
        col(Batch.kind) == batch.kind,
        col(Batch.key) == batch.key,
    )
    if session.scalar(query) is not None:
        return False
    session.add(batch)
    session.flush()
    return True


def _known(session: Session, environment: str, stream: str, new: Iterable[tuple[str, int]]) -> list[int]:
    sequences = [sequence for name, sequence in new if name == stream]
    wanted = set(sequences)
    query = select(col(LogLine.sequence)).where(
        col(LogLine.environment_id) == environment,
        col(LogLine.stream) == stream,
        col(LogLine.sequence).between(min(sequences), max(sequences)),
    )
    return [sequence for sequence in session.scalars(query) if sequence in wanted]


def _line(environment: str, record: ExportedRecord, now: float) -> LogLine:
    return LogLine(
        environment_id=environment,
        stream=record.stream,
        sequence=record.sequence,
        received_at=now,
        record=msgspec.json.encode(record).decode(),
    )
