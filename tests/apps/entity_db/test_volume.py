"""The volume: one owner, damage set aside and never papered over, backups that restore."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logits_core.entities.sqlite import SqliteStore
from logits_core.errors import ErrorCode, LogitsError
from logits_entity_db.adapters.volume import Volume
from logits_entity_db.settings import Settings
from logits_shell.settings import from_env
from simulators.entity_writes import DEPLOYMENTS, create, done

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _filled(volume: Volume) -> None:
    with volume.opened(NOW) as store:
        for number in range(50):
            done(store, create(f"e{number}"))


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for offset in range(4096, len(content), 4096):
        content[offset : offset + 64] = os.urandom(64)
    path.write_bytes(content)


@pytest.mark.anyio
async def test_one_process_at_a_time(tmp_path: Path) -> None:
    held = await Volume(tmp_path).lock(0, "pod-a")
    with pytest.raises(LogitsError) as error:
        await Volume(tmp_path).lock(0.01, "pod-b")
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert "pod-a" in error.value.message
    os.close(held)
    os.close(await Volume(tmp_path).lock(0.01, "pod-b"))


@pytest.mark.anyio
async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogitsError) as error:
        await Volume(tmp_path / "file" / "data").lock(0, "pod-a")
    assert error.value.field == "LOGITS_DATA_DIRECTORY"


def test_a_damaged_database_is_set_aside_and_stays_refused(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    _filled(volume)
    _damage(volume.database)
    for _ in range(2):
        with pytest.raises(LogitsError) as error, volume.opened(NOW):
            pytest.fail("a damaged database was opened")
        assert error.value.code is ErrorCode.CORRUPT
        assert "set aside" in error.value.message
        assert not volume.database.exists()
    assert len(list(tmp_path.glob("entities.db.damaged-*"))) == 1


def test_something_else_is_no_database_of_ours(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    other = sqlite3.connect(volume.database)
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    with pytest.raises(LogitsError) as error, volume.opened(NOW):
        pytest.fail("another program's database was opened")
    assert error.value.code is ErrorCode.CORRUPT


def test_a_backup_restores(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    with volume.opened(NOW) as store:
        done(store, create("a"))
        made = [volume.back_up(NOW + timedelta(seconds=number), keep=2) for number in range(4)]
        done(store, create("b"))
    assert sorted(volume.backups.iterdir()) == made[2:]
    _damage(volume.database)
    volume.database.write_bytes(b"not a database at all")
    with pytest.raises(LogitsError) as error, volume.opened(NOW):
        pytest.fail("a damaged database was opened")
    assert str(made[-1]) in error.value.message
    made[-1].rename(volume.database)
    with volume.opened(NOW) as store:
        assert [item.name for item in store.page(DEPLOYMENTS, limit=9).items] == ["a"]


def test_a_newer_schema_is_refused_unless_it_says_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "entities.db"
    SqliteStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.commit()
    SqliteStore(path).close()
    newer.execute("UPDATE counter SET value = 99 WHERE name = 'readable_from'")
    newer.commit()
    newer.close()
    with pytest.raises(LogitsError) as error:
        SqliteStore(path)
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert "schema 99" in error.value.message


def test_settings_come_from_the_environment() -> None:
    settings = from_env(Settings, {"LOGITS_DATA_DIRECTORY": "/data", "LOGITS_PAGE_LIMIT": "7", "HOME": "/"})
    assert (settings.data_directory, settings.page_limit) == (Path("/data"), 7)
    with pytest.raises(LogitsError):
        from_env(Settings, {"LOGITS_DATA_DIR": "/data"})
