"""Probes: one look at a container by HTTP, and the thresholds around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The container that a probe looks at.

    Attributes:
        address: the pod's address.
        ports: the container's named ports.
    """

    address: str
    ports: Mapping[str, int]


@dataclass(slots=True)
class Tally:
    """Consecutive equal results, and the verdict that they add up to.

    Attributes:
        successes: how many in a row make the verdict good.
        failures: how many in a row make it bad.
        passing: the verdict.
    """

    successes: int
    failures: int
    passing: bool
    _same: int = 0
    _last: bool | None = None

    def count(self, success: bool) -> bool:
        """Take one result; whether the verdict changed, or a failing one was confirmed again."""
        self._same = self._same + 1 if success is self._last else 1
        self._last = success
        if self._same < (self.successes if success else self.failures):
            return False
        changed = self.passing is not success
        self.passing = success
        return changed or not success


async def look(probe: Mapping[str, Any], target: ProbeTarget) -> bool:
    """One attempt within the probe's time limit; True for an HTTP status from 200 to 399."""
    check = probe["httpGet"]
    try:
        async with asyncio.timeout(probe["timeoutSeconds"]):
            port = check["port"]
            return await _get(target.address, port if isinstance(port, int) else target.ports[port], check["path"])
    except (OSError, ValueError, KeyError, IndexError):  # refused, timed out, not HTTP, an unknown port name
        return False


async def _get(host: str, port: int, path: str) -> bool:
    reader, writer = await asyncio.open_connection(host, port, limit=_HEAD_BYTES)
    try:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "User-Agent: kube-probe/1.36", "Connection: close"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return 200 <= int((await reader.readline()).split(b" ", 2)[1]) < 400
    finally:
        writer.transport.abort()
