"""Several processes behind one port: all serve, all stop, and none is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
import pytest

from apps.ingress_proxy.conftest import named
from ports import free_ports
from simulators.scripted_upstream import ScriptedUpstream, scripted_upstream

pytestmark = pytest.mark.anyio
DEADLINE = 60


@dataclass
class Workers:
    process: subprocess.Popen[bytes]
    url: str
    metrics_port: int

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    async def served(self, http: httpx.AsyncClient, index: int) -> float:
        text = (await http.get(f"http://127.0.0.1:{self.metrics_port + index}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith("logits_ingress_proxy_requests_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    async def ended(self) -> int:
        with anyio.fail_after(DEADLINE):
            while (code := self.process.poll()) is None:
                await anyio.sleep(0.05)
        return code


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)


@asynccontextmanager
async def two_workers(upstream: ScriptedUpstream) -> AsyncGenerator[Workers]:
    port, metrics_port = free_ports(), free_ports(2)
    environment = {
        "LOGITS_LISTEN_ADDRESS": "127.0.0.1",
        "LOGITS_HTTP_PORT": str(port),
        "LOGITS_METRICS_PORT": str(metrics_port),
        "LOGITS_CONSOLE_URL": f"http://127.0.0.1:{upstream.port}",
        "LOGITS_WORKERS": "2",
        "LOGITS_DRAIN_SECONDS": "1",
    }
    command = [sys.executable, "-m", "logits_ingress_proxy"]
    process = _started(command, environment)
    workers = Workers(process, f"http://127.0.0.1:{port}", metrics_port)
    try:
        async with httpx.AsyncClient() as http:
            with anyio.fail_after(DEADLINE):
                for index in range(2):
                    while not await ready(http, metrics_port + index):
                        await anyio.sleep(0.05)
        yield workers
    finally:
        process.terminate()
        await workers.ended()


async def ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_every_worker_serves_and_all_stop_together() -> None:
    async with scripted_upstream(named("console")) as upstream, two_workers(upstream) as workers:
        async with httpx.AsyncClient() as http:
            for _ in range(64):
                answer = await http.get(workers.url + "/", headers={"connection": "close"})
                assert answer.text == "console"
            counts = [await workers.served(http, index) for index in range(2)]
        assert sum(counts) == 64
        assert min(counts) > 0
        children = workers.children()
        assert len(children) == 2
        workers.process.send_signal(signal.SIGTERM)
        assert await workers.ended() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


async def test_when_one_dies_the_others_end_too() -> None:
    async with scripted_upstream(named("console")) as upstream, two_workers(upstream) as workers:
        victim, other = workers.children()
        os.kill(victim, signal.SIGKILL)
        assert await workers.ended() == 1
        assert not Path(f"/proc/{other}").exists()
