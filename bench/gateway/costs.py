"""The costs of the Gateway beside those of kubectl proxy: processor time a request, memory, and open watches."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from place import NAMESPACE, PORTS, Place
from processes import sample

ROUNDS, GETS, CREATES, CONNECTIONS, WATCHES = 3, 1500, 600, 8, 1000
PLAIN = f"http://127.0.0.1:{PORTS['proxy']}/api/v1/namespaces/{NAMESPACE}"


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time for a GET and for a create."""

    get: float
    create: float

    def lower(self, other: Cost) -> Cost:
        """The better of two rounds: whatever else the machine does can only make one worse."""
        return Cost(min(self.get, other.get), min(self.create, other.create))


def config(name: str) -> bytes:
    """A small ConfigMap."""
    data = {"engine": "logits-demo", "replicas": "2"}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}).encode()


async def _drive(base: str, token: str, requests: list[tuple[str, str, bytes]]) -> None:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60, trust_env=False) as client:
        waiting = iter(requests)

        async def worker() -> None:
            for method, path, body in waiting:
                answer = await client.request(method, base + path, content=body or None)
                if not answer.is_success:
                    raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:300]}")

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


def _spent(pid: int, base: str, token: str, requests: list[tuple[str, str, bytes]]) -> float:
    before = sample(pid).seconds
    asyncio.run(_drive(base, token, requests))
    return (sample(pid).seconds - before) / len(requests) * 1e6


def compare(place: Place) -> dict[str, Cost]:
    """Both proxies in turns; each one's best round counts."""
    proxy = subprocess.Popen(["kubectl", "proxy", "--port", str(PORTS["proxy"])], stdout=subprocess.DEVNULL)
    number = itertools.count()
    best: dict[str, Cost] = {}
    try:
        _until(lambda: httpx.get(PLAIN + "/configmaps?limit=1", trust_env=False).is_success)
        contestants = {"kubectl proxy": (proxy.pid, PLAIN, ""), "Gateway": (place.pid, place.url, place.token)}
        asyncio.run(_drive(PLAIN, "", [("POST", "/configmaps", config("logits-read"))]))
        for _ in range(ROUNDS):
            for name, (pid, base, token) in contestants.items():
                reads = [("GET", "/configmaps/logits-read", b"")] * GETS
                writes = [("POST", "/configmaps", config(f"logits-w{next(number)}")) for _ in range(CREATES)]
                cost = Cost(_spent(pid, base, token, reads), _spent(pid, base, token, writes))
                best[name] = cost.lower(best.get(name, cost))
    finally:
        proxy.terminate()
        proxy.wait(10)
    return best


def _until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if met():
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit("kubectl proxy did not start")
        time.sleep(0.1)


async def _watches(place: Place) -> tuple[int, float]:
    """Open many watches; returns resident bytes with all open, and seconds until all had seen a change."""
    head = (
        f"GET /kubernetes/api/v1/namespaces/{NAMESPACE}/configmaps?watch=true&fieldSelector=metadata.name%3D{{}}"
        f" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {place.token}\r\n\r\n"
    )
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        for _ in range(WATCHES):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORTS["http"])
            writer.write(head.format("logits-seen").encode())
            status = await reader.readuntil(b"\r\n\r\n")
            if not status.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"watch {len(opened)}: {status.decode()}")
            opened.append((reader, writer))
        resident = sample(place.pid).resident
        began = time.monotonic()
        await _drive(place.url, place.token, [("POST", "/configmaps", config("logits-seen"))])
        await asyncio.gather(*(reader.readuntil(b"logits-seen") for reader, _ in opened))
        return resident, time.monotonic() - began
    finally:
        for _, writer in opened:
            writer.close()


def watches(place: Place) -> tuple[int, float]:
    """See ``_watches``."""
    return asyncio.run(_watches(place))
