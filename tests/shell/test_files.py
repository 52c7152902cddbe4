"""Files that are replaced whole: a disk that takes only a part leaves the old one."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from logits_shell.files import write_whole


def test_a_file_is_replaced_and_only_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.with_name("state.json.new").write_bytes(b"left by a crash")
    for content in (b"old", b"new" * 100_000):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_takes_only_a_part_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
