"""The store's schema: the migrations produce exactly the tables, and strangers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from logits_core.errors import ErrorCode, LogitsError
from logits_ops_api.app import create_app
from logits_ops_api.tables import Table
from logits_shell.telemetry import Telemetry
from vendor.ops_api import settings
from vendor.stores import NewStore, rows, schema_differences


def _open(folder: Path, url: str) -> None:
    chosen = settings(folder, database_url=url)
    create_app(chosen, Telemetry.create("ops-api", chosen)).close()


def test_the_migrations_make_the_tables(tmp_path: Path, new_store: NewStore) -> None:
    url = new_store()
    _open(tmp_path, url)
    assert schema_differences(url or f"sqlite:///{tmp_path}/ops-api.db", Table.metadata) == []
    _open(tmp_path, url)
    assert schema_differences(url or f"sqlite:///{tmp_path}/ops-api.db", Table.metadata) == []


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path, new_store: NewStore) -> None:
    url = new_store()
    _open(tmp_path, url)
    rows(url or f"sqlite:///{tmp_path}/ops-api.db", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LogitsError, match="9999") as refusal:
        _open(tmp_path, url)
    assert refusal.value.code is ErrorCode.CONFLICT


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="missing"):
        _open(tmp_path / "missing", "")


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="nobody") as refusal:
        _open(tmp_path, "postgresql://nobody:SECRET@127.0.0.1:1/logits")
    assert refusal.value.code is ErrorCode.UNAVAILABLE
    assert "SECRET" not in refusal.value.message


@pytest.mark.parametrize("url", ["mysql://me:SECRET@host/logits", "SECRET", "postgresql+psycopg2://me:SECRET@host/x"])
def test_another_kind_of_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(LogitsError, match="postgresql://user:password@host/name") as refusal:
        _open(tmp_path, url)
    assert refusal.value.code is ErrorCode.INVALID
    assert "SECRET" not in refusal.value.message
