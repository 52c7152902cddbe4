"""`python -m logits_local.platform`: the daemon's entry, started by `logits up`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import anyio

from logits_core.errors import LogitsError
from logits_local.platform.daemon import run_daemon
from logits_local.platform.data_directory import DataDirectory


def main() -> None:
    """Run the daemon of one data directory until SIGTERM."""
    parser = argparse.ArgumentParser(prog="logits_local.platform")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int, help="told when the cluster is up, then closed")
    arguments = parser.parse_args()
    _close_inherited(arguments.ready_fd)
    try:
        anyio.run(run_daemon, DataDirectory(arguments.data_dir), arguments.ready_fd)
    except LogitsError as failure:
        sys.exit(str(failure))


def _close_inherited(ready_fd: int | None) -> None:
    """Close what the caller had open: a lock there must not stay held for the daemon's life."""
    begin = 3
    if ready_fd is not None:
        os.closerange(begin, ready_fd)
        begin = ready_fd + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    main()
