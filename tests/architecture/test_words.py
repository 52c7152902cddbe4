"""The repository speaks of itself alone: no machine paths, no tracker numbers, no working notes."""

from __future__ import annotations

import re
import subprocess

from architecture.tree import ROOT

BANNED = re.compile(r"(/work/|/root/|\bissue #?\d|\bTODO\b|\bFIXME\b|\bXXX\b|DESIGN\.md|anchors/)")
TEXTS = {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".js", ".css", ".tpl", ".txt", ".jsonl", ""}


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return listed.stdout.splitlines()


def test_nothing_speaks_of_how_it_was_made() -> None:
    found: list[str] = []
    for name in _tracked():
        path = ROOT / name
        if path.suffix not in TEXTS or path.name == "test_words.py" or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if BANNED.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)
