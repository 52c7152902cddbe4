"""The vendor's store: on SQLite and PostgreSQL alike, work runs as if it were alone, and outages are told."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.database import Database
from vendor.postgresql import PostgreSQL
from vendor.stores import NewStore, new_store, postgresql

__all__ = ["new_store", "postgresql"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path, new_store: NewStore) -> Generator[Database]:
    database = Database(new_store() or f"sqlite:///{tmp_path}/test.db", connections=4)
    database.run_now(lambda s: s.execute(text("CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")))
    yield database
    database.close()


def _value(session: Session, name: str = "all") -> int:
    found = session.execute(text("SELECT value FROM counts WHERE name = :name"), {"name": name}).scalar()
    return int(found or 0)


def _count(session: Session) -> None:
    """Read, add and write: loses counts when two do it at once."""
    value = _value(session)
    statement = "UPDATE counts SET value = :value WHERE name = 'all'"
    if not value:
        statement = "INSERT INTO counts VALUES ('all', :value)"
    session.execute(text(statement), {"value": value + 1})


async def test_nothing_is_lost_between_reading_and_writing(database: Database) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(database.run, _count)
    assert await database.run(_value) == 12


async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        _count(session)
        raise LogitsError(ErrorCode.INVALID, "no")

    with pytest.raises(LogitsError, match="no"):
        await database.run(work)
    assert await database.run(_value) == 0


async def test_what_breaks_a_rule_is_an_error_not_an_outage(database: Database) -> None:
    def work(session: Session) -> None:
        for _ in range(2):
            session.execute(text("INSERT INTO counts VALUES ('twice', 1)"))

    with pytest.raises(IntegrityError):
        await database.run(work)
    assert await database.run(lambda s: _value(s, "twice")) == 0


async def test_connections_that_were_cut_are_made_anew(postgresql: PostgreSQL) -> None:
    database = Database(postgresql.database())
    await database.ping()
    postgresql.end_connections()
    await database.ping()
    database.close()


async def test_a_database_that_is_away_is_unavailable() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/logits")
    with pytest.raises(LogitsError) as refusal:
        await database.ping()
    assert refusal.value.code is ErrorCode.UNAVAILABLE
    assert refusal.value.retry_after
