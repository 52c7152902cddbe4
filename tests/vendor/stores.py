"""Fixtures that give the vendor's systems each store that they may run on, and eyes to look into it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, text

from vendor import postgresql as server

NewStore = Callable[[], str]
"""Makes the URL of a new store; empty for SQLite in the data directory."""


@contextmanager
def _connected(url: str) -> Generator[Connection]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def rows(url: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """What a statement gives in a store, run and committed beside the app."""
    with _connected(url) as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def dump(url: str) -> str:
    """Every row of every table."""
    tables = MetaData()
    with _connected(url) as connection:
        tables.reflect(connection)
        found = [row for table in tables.sorted_tables for row in connection.execute(table.select())]
        return "\n".join(str(tuple(row)) for row in found)


def schema_differences(url: str, tables: MetaData) -> list[Any]:
    """In what a store's schema differs from the tables."""
    with _connected(url) as connection:
        return compare_metadata(MigrationContext.configure(connection), tables)


@pytest.fixture(scope="session")
def postgresql() -> Generator[server.PostgreSQL]:
    """A running PostgreSQL; skips where none is installed."""
    if obstacle := server.obstacle():
        pytest.skip(obstacle)
    with server.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Both stores in turn."""
    if request.param == "sqlite":
        return lambda: ""
    running: server.PostgreSQL = request.getfixturevalue("postgresql")
    return running.database
