"""Starting, finding and stopping the daemon process from the commands."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.data_directory import DataDirectory

READY = b"ready\n"
_TAIL_LINES = 5


def start_daemon(data: DataDirectory, *, attached: bool, patience: float = 60.0) -> int:
    """Start the daemon and wait until its API answers.

    Args:
        data: its data directory.
        attached: whether it stays in the terminal's session and ends with it.
        patience: seconds to wait.

    Returns:
        Its pid.

    Raises:
        LogitsError: it ended or took too long; with the last lines of its log.
    """
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "logits_local.platform", "--data-dir", str(data.root)]
    with data.daemon_log.open("ab") as log:
        daemon = subprocess.Popen(
            [*command, "--ready-fd", str(write_end)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=not attached,
            cwd="/",
        )
    os.close(write_end)
    try:
        ready, _, _ = select.select([read_end], [], [], patience)
        if ready and os.read(read_end, len(READY)) == READY:
            return daemon.pid
    finally:
        os.close(read_end)
    daemon.kill()
    raise LogitsError(ErrorCode.UNAVAILABLE, f"the embedded cluster did not start:\n{tail(data.daemon_log)}")


def stop_daemon(data: DataDirectory, *, patience: float = 30.0) -> bool:
    """Ask the daemon to end its pods and itself; kill it when it takes too long.

    Returns:
        Whether there was one.
    """
    pid = data.running_pid()
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], patience)[0]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], patience)
        finally:
            os.close(handle)
    return True


def tail(path: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return f"({path} can't be read)"
