"""`python -m logits_local.platform`: the daemon's entry, started by `logits up`."""

from __future__ import annotations

import argparse
from pathlib import Path

import anyio

from logits_local.platform.daemon import run_daemon
from logits_local.platform.data_directory import DataDirectory


def main() -> None:
    """Run the daemon of one data directory until SIGTERM."""
    parser = argparse.ArgumentParser(prog="logits_local.platform")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int, help="told when the cluster is up, then closed")
    arguments = parser.parse_args()
    anyio.run(run_daemon, DataDirectory(arguments.data_dir), arguments.ready_fd)


if __name__ == "__main__":
    main()
