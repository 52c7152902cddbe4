"""Several processes behind one port: the kernel spreads connections, and one process watches the others."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this is.

    Nothing is shared between them but the port: what an app bounds as a whole, it divides by `count`, and each
    process has an observation port of its own, `index` above the first one's.

    Attributes:
        index: From 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    def metrics_port(self, first: int) -> int:
        """Return this process' observation port; 0 stays 0."""
        return first + self.index if first else 0

    def of(self, bound: int) -> int:
        """Return this process' part of a bound, rounded up, so that no part is nothing."""
        return -(-bound // self.count)


ALONE = Share()


def run_workers(count: int, work: Callable[[Share], None]) -> int:
    """Run `work` in `count` processes until all have ended; returns the exit code.

    Must be called before there are threads or an event loop. SIGTERM and SIGINT go on to every process. When one
    dies on its own, the others are stopped, so that whoever started this one starts them all anew.
    """
    pids = {_fork(Share(index, count), work) for index in range(count)}

    def stop(number: int, frame: object) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = 0
    while pids:
        pid, status = os.wait()
        if pid not in pids:
            continue
        pids.discard(pid)
        ended = os.waitstatus_to_exitcode(status)
        if ended and not code:
            code = ended if ended > 0 else 1
            stop(signal.SIGTERM, None)
    return code


def _fork(share: Share, work: Callable[[Share], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(share)
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # The child must never return into its parent's caller.
        os._exit(code)
