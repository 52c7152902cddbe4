"""kill -9 at any moment: every acknowledged write is there afterwards, and revisions never repeat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from logits_core.entities.sqlite import SqliteStore
from simulators.entity_writes import DEPLOYMENTS

LIVES = 6
PROGRAM = Path(__file__).with_name("writing_process.py")


def _acknowledged(directory: Path, life: int) -> dict[str, str]:
    """Let a process write, kill it in the middle, and return what it had been told was durable."""
    acknowledged: dict[str, str] = {}
    command = [sys.executable, str(PROGRAM), str(directory), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                name, version = line.split()
                acknowledged[name] = version
            if len(acknowledged) == 50 + 7 * life:
                process.kill()
    return acknowledged


def test_no_acknowledged_write_is_lost(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    for life in range(LIVES):
        acknowledged |= _acknowledged(tmp_path, life)
    store = SqliteStore(tmp_path / "entities.db")
    try:
        kept = {item.name: item for item in store.page(DEPLOYMENTS, limit=1_000_000).items}
        assert len(acknowledged) >= 50 * LIVES
        assert {name: kept[name].metadata.resource_version for name in acknowledged} == acknowledged
        changes = store.changes(0, 1_000_000)
        assert [change.revision for change in changes] == list(range(1, store.revision() + 1))
        assert {change.name for change in changes} == set(kept)
    finally:
        store.close()
