"""Probes: one look at a container by HTTP, TCP or a command, and the thresholds around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The container that a probe looks at.

    Attributes:
        address: the pod's address.
        ports: the container's named ports.
        env: its environment, for commands.
        directory: its working directory, for commands.
    """

    address: str
    ports: Mapping[str, int]
    env: Mapping[str, str]
    directory: Path


@dataclass(frozen=True, slots=True)
class Timing:
    """A probe's numbers, in seconds and in consecutive results."""

    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Mapping[str, Any]) -> Timing:
        """Read them with Kubernetes' defaults."""
        return cls(
            initial_delay=float(probe.get("initialDelaySeconds") or 0),
            period=float(probe.get("periodSeconds") or 10),
            timeout=float(probe.get("timeoutSeconds") or 1),
            successes=int(probe.get("successThreshold") or 1),
            failures=int(probe.get("failureThreshold") or 3),
        )


@dataclass(slots=True)
class Tally:
    """Consecutive equal results, and the verdict that they add up to."""

    timing: Timing
    passing: bool
    _same: int = 0
    _last: bool | None = None

    def count(self, success: bool) -> bool:
        """Take one result; whether the verdict changed, or a failing one was confirmed again."""
        self._same = self._same + 1 if success is self._last else 1
        self._last = success
        needed = self.timing.successes if success else self.timing.failures
        if self._same < needed:
            return False
        changed = self.passing is not success
        self.passing = success
        return changed or not success


async def look(probe: Mapping[str, Any], target: ProbeTarget) -> bool:
    """One attempt within the probe's time limit."""
    try:
        async with asyncio.timeout(Timing.of(probe).timeout):
            if "httpGet" in probe:
                return await _http(probe["httpGet"], target)
            if "tcpSocket" in probe:
                return await _tcp(probe["tcpSocket"], target)
            if "exec" in probe:
                return await _command(probe["exec"]["command"], target)
    except (OSError, ValueError, KeyError):  # refused, timed out, not HTTP, an unknown port name
        return False
    return False


def _port(target: ProbeTarget, port: int | str) -> int:
    return port if isinstance(port, int) else int(port) if port.isdigit() else target.ports[port]


async def _http(check: Mapping[str, Any], target: ProbeTarget) -> bool:
    host, port = check.get("host") or target.address, _port(target, check["port"])
    reader, writer = await asyncio.open_connection(host, port, limit=_HEAD_BYTES)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.36", "Connection": "close"}
        headers |= {header["name"]: header["value"] for header in check.get("httpHeaders") or ()}
        lines = [f"GET {check.get('path') or '/'} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status_line = await reader.readline()
        return 200 <= int(status_line.split(b" ", 2)[1]) < 400
    except IndexError:
        return False
    finally:
        writer.transport.abort()


async def _tcp(check: Mapping[str, Any], target: ProbeTarget) -> bool:
    _, writer = await asyncio.open_connection(check.get("host") or target.address, _port(target, check["port"]))
    writer.transport.abort()
    return True


async def _command(command: list[str], target: ProbeTarget) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(target.env),
        cwd=target.directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
