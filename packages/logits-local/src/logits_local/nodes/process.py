"""One container's process: its own process group, its output in a log file, its end as an event."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio

from logits_local.nodes.logfile import LogFile

_READ_BYTES = 1 << 16


class ContainerProcess:
    """Starts a process at once; must be made inside a running event loop.

    Its end is learnt from a pidfd, so nothing polls. When the process ends, whatever it left in
    its process group is killed, as the end of a container's first process ends the container.

    Args:
        argv: program and arguments.
        env: the whole environment.
        directory: working directory.
        log: where its output goes; closed when the process has ended.

    Raises:
        OSError: the program can't be started.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], directory: Path, log: LogFile) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._output, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            os.close(self._output)
            raise
        finally:
            os.close(write_end)
        self.pid = self._process.pid
        self.exited = anyio.Event()
        self._reading = True
        os.set_blocking(self._output, False)
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._output, self._read)
        self._loop.add_reader(self._pidfd, self._ended)

    @property
    def exit_code(self) -> int:
        """The exit code once the process has ended; 128 + N when signal N ended it."""
        code = self._process.returncode or 0
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Ask the process to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything in its process group."""
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The pidfd names this very process, even after its number was given to another one.
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _read(self) -> bool:
        """Move available output to the log; False when there is none left."""
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._log.write(data)
            return True
        self._stop_reading()
        return False

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._output)
            os.close(self._output)

    def _ended(self) -> None:
        # The group outlives its reaped leader, and until it is empty no other may take its number.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        while self._reading and self._read():
            pass
        self._stop_reading()
        self._log.close()
        self.exited.set()
