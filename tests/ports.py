"""Ports for processes that tests start: free ones that no outgoing connection is given meanwhile."""

from __future__ import annotations

import contextlib
import random
import socket

_BELOW_EPHEMERAL = range(15_000, 30_000)


def free_ports(count: int = 1) -> int:
    """Return the first of so many TCP ports in a row that nobody listens on at 127.0.0.1."""
    for _ in range(200):
        first = random.choice(_BELOW_EPHEMERAL)
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(first, first + count):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError(f"found no {count} free ports in a row")
