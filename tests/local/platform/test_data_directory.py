"""The data directory is made once, checked each time, and locked by the daemon that uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from logits_core.errors import LogitsError
from logits_local.platform.data_directory import DataDirectory, default_location
from logits_local.platform.invented import InventedSecrets


def test_a_new_directory_becomes_complete(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "new" / "logits")
    assert data.prepare()
    data.complete()
    assert not data.prepare()
    assert data.root.stat().st_mode & 0o077 == 0


def test_a_half_written_directory_is_named(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    InventedSecrets.invent().save(data.secrets)
    with pytest.raises(LogitsError, match=r"half written.*rm -r"):
        data.prepare()


def test_a_foreign_directory_stays_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LogitsError, match="--data-dir"):
        DataDirectory(tmp_path).prepare()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json"])
def test_a_damaged_marker_is_named(tmp_path: Path, content: str) -> None:
    data = DataDirectory(tmp_path)
    data.marker.write_text(content)
    with pytest.raises(LogitsError, match="damaged"):
        data.prepare()


def test_another_format_is_refused(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.marker.write_text(json.dumps({"format": 99}))
    with pytest.raises(LogitsError, match="format 99"):
        data.prepare()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogitsError, match="cannot make"):
        DataDirectory(tmp_path / "file" / "logits").prepare()


def test_only_the_lock_tells_whether_a_daemon_runs(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    assert data.running_pid() is None
    data.lock.write_text("1")  # left behind by a daemon that was killed
    assert data.running_pid() is None
    held = data.hold()
    try:
        assert data.running_pid() == os.getpid()
        with pytest.raises(LogitsError, match="already runs"):
            data.hold()
    finally:
        os.close(held)
    assert data.running_pid() is None


def test_secrets_are_private_and_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    invented = InventedSecrets.invent()
    invented.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert InventedSecrets.load(path) == invented
    assert invented.password not in repr(invented)
    path.write_text("{}")
    with pytest.raises(LogitsError, match="damaged"):
        InventedSecrets.load(path)


def test_the_default_location_follows_the_environment() -> None:
    assert default_location({"XDG_DATA_HOME": "/data"}) == Path("/data/logits")
    assert default_location({"XDG_DATA_HOME": "relative"}) == Path.home() / ".local" / "share" / "logits"
