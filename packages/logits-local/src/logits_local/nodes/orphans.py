"""Processes that a killed kubelet left behind: found by their mark and ended, never doubled."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

from logits_local.nodes.pod import MARKER


def marked_processes(directory: Path, proc: Path = Path("/proc")) -> list[int]:
    """The pids of all processes whose environment carries this cluster's mark."""
    mark = f"{MARKER}={directory}".encode()
    found: list[int] = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes()
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
        if mark in variables.split(b"\0"):
            found.append(int(entry.name))
    return found


def end_orphans(directory: Path, *, grace: float = 2.0) -> int:
    """End every marked process with its whole process group and wait until they are gone.

    They can't be adopted: their output went to a pipe that died with the old kubelet, and
    without its end nobody would learn theirs.

    Returns:
        How many there were.
    """
    orphans = marked_processes(directory)
    ends = _handles(orphans)
    for pid in orphans:
        with contextlib.suppress(ProcessLookupError):
            group = os.getpgid(pid)
            if group != os.getpgid(0):
                os.killpg(group, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + grace
    for handle in ends:
        select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        os.close(handle)
    return len(orphans)


def _handles(pids: list[int]) -> list[int]:
    handles: list[int] = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            handles.append(os.pidfd_open(pid))
    return handles
