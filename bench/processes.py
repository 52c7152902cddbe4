"""Processes of a platform, read from /proc: who descends from whom, memory and processor time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One process at one moment: resident bytes, and seconds used."""

    name: str
    resident: int
    seconds: float


def descendants(root: int) -> list[int]:
    """The process and everything below it."""
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(process.name)] = int(fields[1])
    found = [root]
    for candidate in found:
        found += [pid for pid, parent in parents.items() if parent == candidate]
    return found


def sample(pid: int) -> Sample:
    """What a process uses now."""
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    words = (process / "cmdline").read_bytes().split(b"\0")
    name = next((word.decode() for word in words[1:] if b"logits" in word), words[0].decode())
    seconds = (int(fields[11]) + int(fields[12])) / TICKS
    return Sample(name, _resident(process), seconds)


def _resident(process: Path) -> int:
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0
