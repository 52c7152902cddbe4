"""Starting, finding and stopping the daemon process from the commands."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path

from logits_core.errors import ErrorCode, LogitsError
from logits_local.platform.data_directory import DataDirectory

READY = b"ready\n"
_TAIL_LINES = 5
_LOG_BYTES = 10 << 20


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
    try:
        pid = _spawn(data, write_end, attached)
    finally:
        os.close(write_end)
    try:
        ready, _, _ = select.select([read_end], [], [], patience)
        if ready and os.read(read_end, len(READY)) == READY:
            return pid
    finally:
        os.close(read_end)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise LogitsError(ErrorCode.UNAVAILABLE, f"the embedded cluster did not start:\n{tail(data.daemon_log)}")


def _spawn(data: DataDirectory, ready_fd: int, attached: bool) -> int:
    """Start the process; it outlives this one, so nothing here keeps a handle on it."""
    if data.daemon_log.is_file() and data.daemon_log.stat().st_size > _LOG_BYTES:
        data.daemon_log.replace(data.daemon_log.with_name("daemon.log.1"))
    module = ["-m", "logits_local.platform", "--data-dir", str(data.root), "--ready-fd", str(ready_fd)]
    os.set_inheritable(ready_fd, True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(data.daemon_log), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = [sys.executable, *module]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=not attached)


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
