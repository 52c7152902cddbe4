"""The store's schema: the migrations produce exactly the tables, and strangers are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.app import create_app
from logits_ops_api.tables import Table
from logits_shell.telemetry import Telemetry
from vendor.ops_api import settings


def _open(folder: Path) -> None:
    chosen = settings(folder)
    create_app(chosen, Telemetry.create("ops-api", chosen)).close()


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    _open(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path}/ops-api.db")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Table.metadata)
    engine.dispose()
    assert differences == []


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    _open(tmp_path)
    _open(tmp_path)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    _open(tmp_path)
    with sqlite3.connect(tmp_path / "ops-api.db") as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(LogitsError, match="9999") as refusal:
        _open(tmp_path)
    assert refusal.value.code is ErrorCode.CONFLICT


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="missing"):
        _open(tmp_path / "missing")
