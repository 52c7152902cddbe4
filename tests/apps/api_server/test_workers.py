"""`logits serve --workers N`: one port, several processes, and limits that hold for all of them together."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from apps.api_server.conftest import DEADLINE
from apps.api_server.test_serve import CHAT, SERVE, engine, make_key
from ports import free_ports
from simulators.scripted_upstream import scripted_upstream

pytestmark = pytest.mark.anyio
WORKERS = 2


@asynccontextmanager
async def workers(*arguments: str) -> AsyncGenerator[tuple[str, int]]:
    """Run the command with two workers inside the block; gives the URL and the first metrics port."""
    port, metrics = free_ports(), free_ports(WORKERS)
    command = [*SERVE, "--workers", str(WORKERS), "--port", str(port), "--metrics-port", str(metrics), *arguments]
    async with await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with httpx.AsyncClient() as http:
                with anyio.fail_after(30):
                    for index in range(WORKERS):
                        while not await ready(http, metrics + index):
                            await anyio.sleep(0.05)
            yield f"http://127.0.0.1:{port}", metrics
        finally:
            process.terminate()
            with anyio.fail_after(DEADLINE):
                assert await process.wait() == 0


async def ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def served(http: httpx.AsyncClient, port: int) -> float:
    text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("logits_api_server_requests_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def test_workers_share_the_port_and_divide_the_limits(tmp_path: Path) -> None:
    keys, usage = tmp_path / "keys.json", tmp_path / "usage"
    key = make_key(keys, "--requests-per-minute", "40").stdout.strip()
    async with scripted_upstream(engine("m")) as upstream:
        endpoint = f"--endpoint={upstream.host}:{upstream.port}"
        async with workers(endpoint, "--keys", str(keys), "--usage", str(usage)) as (url, metrics):
            fields = {"authorization": f"Bearer {key}", "connection": "close"}
            async with httpx.AsyncClient(timeout=DEADLINE) as http:
                answers = [await http.post(url + CHAT, content=b'{"model":"m"}', headers=fields) for _ in range(80)]
                counts = [await served(http, metrics + index) for index in range(WORKERS)]
    allowed = [answer for answer in answers if answer.status_code == 200]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in allowed} == {"20"}
    assert {answer.status_code for answer in answers} == {200, 429}
    assert sum(counts) == len(allowed)
    assert min(counts) > 0
    # Each enforces its half: together they never let more in than the limit and what comes back meanwhile.
    assert max(counts) < 40
    # Every worker writes what it has counted, and the sum is right.
    rows = [row.split(",") for path in usage.glob("*.csv") for row in path.read_text().splitlines()]
    assert sum(int(row[3]) for row in rows if row[1] == "team") == len(allowed)


def test_workers_need_one_port() -> None:
    run = subprocess.run([*SERVE, "--endpoint", "a:1", "--workers", "2", "--port", "0"], capture_output=True, text=True)
    assert run.returncode == 2
    assert "--port 0" in run.stderr
