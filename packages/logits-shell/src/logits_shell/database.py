"""The vendor's relational store: one bounded SQLAlchemy pool in threads, one transaction per call.

Only Accounts and Ops API use it. SQLite serves laptops and tests with exactly one connection, which
also keeps clear of the WAL-reset bug of SQLite before 3.51.3; PostgreSQL is the production store. There
transactions are serializable, so that on either store work runs as if it were alone: one that another
transaction came between starts over.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.child import in_child

T = TypeVar("T")

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that migrations can speak of them on every database."""

ATTEMPTS = 8
"""How often work starts over when others come between; each time at least one of them got through."""

_CAME_BETWEEN = frozenset({"40001", "40P01", "23505"})
"""SQLSTATEs: serialization failure, deadlock, and a row that another transaction was the first to insert."""

_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds until a peer that is gone is taken for gone
    "options": "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
}


class Database:
    """One store behind a pool of ``connections``; SQLite always gets a single one.

    Args:
        url: ``sqlite:////var/lib/logits/accounts.db`` or ``postgresql://user:password@host/name``.
        connections: size of the pool and the number of calls that run at once.

    Raises:
        LogitsError: INVALID for any other URL.
    """

    def __init__(self, url: str, *, connections: int = 4) -> None:
        place = _place(url)
        sqlite = place.get_backend_name() == "sqlite"
        size = 1 if sqlite else connections
        self._engine = _engine(place, sqlite, size)
        self._limiter = anyio.CapacityLimiter(size)

    async def run(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a worker thread inside one transaction; commit unless it raises.

        It must do nothing but read and write its session: when another transaction comes between, all of
        it is undone and it runs again.

        Raises:
            LogitsError: UNAVAILABLE when the database cannot be reached.
        """
        return await anyio.to_thread.run_sync(self.run_now, work, limiter=self._limiter)

    def run_now(self, work: Callable[[Session], T]) -> T:
        """The same in the calling thread, for the time before the app serves."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._transaction(work)
            except DBAPIError as error:
                if _came_between(error) and attempt < ATTEMPTS:
                    continue
                if isinstance(error, OperationalError):
                    raise LogitsError(
                        ErrorCode.UNAVAILABLE, "the database cannot be used right now; try again", retry_after=5
                    ) from error
                raise
        raise AssertionError("the last attempt returns or raises")

    def _transaction(self, work: Callable[[Session], T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    async def ping(self) -> None:
        """Prove that the database answers.

        Raises:
            LogitsError: UNAVAILABLE.
        """
        await self.run(lambda session: session.execute(text("SELECT 1")).scalar_one())

    def upgrade(self, migrations: Path, metadata: MetaData) -> None:
        """Bring the schema to the newest revision, in a child process; blocks, so call it before serving.

        Args:
            migrations: folder with ``versions/``.
            metadata: the tables that the newest revision must produce.

        Raises:
            LogitsError: CONFLICT when a newer version of this app has written the store, UNAVAILABLE
                when it cannot be opened.
        """
        in_child(lambda: self._upgrade(migrations, metadata))

    def _upgrade(self, migrations: Path, metadata: MetaData) -> None:
        # Alembic is needed for this moment only, and weighs more than the tables.
        from logits_shell.migration import upgrade

        try:
            upgrade(self._engine, migrations, metadata)
        except OperationalError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise LogitsError(
                ErrorCode.UNAVAILABLE, f"cannot open the database {where}: {error.orig}; check that it exists"
            ) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _came_between(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _CAME_BETWEEN


def _place(url: str) -> URL:
    try:
        place = make_url(url)
    except ArgumentError:
        place = None
    if place is None or place.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        # Not the URL itself: it may hold a password.
        raise LogitsError(
            ErrorCode.INVALID,
            "the database's URL must look like postgresql://user:password@host/name or sqlite:///file",
            field="database_url",
        )
    return place.set(drivername="postgresql+psycopg") if place.drivername == "postgresql" else place


def _engine(place: URL, sqlite: bool, size: int) -> Engine:
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    if not sqlite:
        options = {"connect_args": _POSTGRESQL, "isolation_level": "SERIALIZABLE", "pool_pre_ping": True}
    engine = create_engine(place, poolclass=QueuePool, pool_size=size, max_overflow=0, **options)
    if sqlite:
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _configure_sqlite(connection: Any, _: object) -> None:
    # The driver's own BEGIN handling breaks savepoints; SQLAlchemy begins each transaction instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
