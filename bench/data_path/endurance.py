"""The endurance figures of the data path: smooth under large bodies, many streams, flat memory, no leaks.

``python bench/data_path/endurance.py [--write] [--requests N] [--aborts N]`` starts the mock engine on one core and
`logits serve` with a key on the other (see observed_server.py) and puts four figures, each with its bound, into
docs/performance.md with ``--write``. Exit code 1 when a bound isn't kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import Crowd
from load import drive, resident_bytes, script
from page import put
from proxies import ENGINE_PORTS, MODEL, Process, api_key, compiled

SERVER_CORE, LOAD_CORE = 0, 1
PORT = 29207
STREAMS, OPEN_STREAMS = 64, 1000
SMOOTH_SECONDS = 10.0
LARGE_BYTES, LARGE_CLIENTS, LARGE_PAUSE = 1 << 20, 4, 0.2
SLICES = 10
MIB = 1 << 20
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """One row of the page.

    Attributes:
        what: In words.
        measured: In words.
        bound: In words.
        kept: Whether the bound is kept.
    """

    what: str
    measured: str
    bound: str
    kept: bool

    def row(self) -> str:
        """The figure as a row of Markdown."""
        return f"| {self.what} | {self.measured} | {self.bound} | {'yes' if self.kept else '**no**'} |\n"


class Observed:
    """The server under test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = api_key(directory)
        self._status = directory / "status"
        program = [sys.executable, str(HERE / "observed_server.py"), str(self._status)]
        names = [str(directory / "keys"), str(directory / "usage"), str(PORT)]
        urls = [f"http://127.0.0.1:{port}" for port in ENGINE_PORTS]
        self.process = Process([*program, *names, *urls], directory, compiled(directory), SERVER_CORE)
        self.process.until(f"http://127.0.0.1:{PORT}/v1/models")

    def crowd(self) -> Crowd:
        """Clients of it."""
        return Crowd(PORT, self.key)

    def seen(self) -> dict[str, Any]:
        """What it says of itself, once it has said it anew."""
        before = self._status.stat().st_mtime_ns if self._status.exists() else 0
        _until(lambda: self._status.exists() and self._status.stat().st_mtime_ns != before, "its status")
        found: dict[str, Any] = json.loads(self._status.read_text())
        return found

    def reset(self) -> None:
        """Begin to count late wakings anew."""
        mark = self._status.with_name("status.reset")
        mark.touch()
        _until(lambda: not mark.exists(), "the count to begin anew")

    @property
    def sockets(self) -> int:
        """How many sockets it has open."""
        links = [entry.readlink() for entry in Path(f"/proc/{self.process.pid}/fd").iterdir()]
        return sum(str(link).startswith("socket:") for link in links)

    @property
    def resident(self) -> int:
        """Its memory, bytes."""
        return resident_bytes(self.process.pid)


def _until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


def smooth(server: Observed) -> list[Figure]:
    """How late the loop wakes while 64 streams run, without and with large bodies beside them.

    The bound is for the work of the loop itself: by the clock it's also late when the machine gives the core to
    another process.
    """
    figures: list[Figure] = []
    for clients in (0, LARGE_CLIENTS):
        bodies = asyncio.run(_smooth(server, clients))
        seen = server.seen()
        beside = f", {bodies:.0f} bodies of 1 MiB per second beside them" if clients else ""
        text = f"by its own work {_spread(seen['busy'])}; by the clock {_spread(seen['late'])}"
        what = f"{STREAMS} streams of 50 events per second each{beside}: how late the loop wakes"
        bound = "p99 < 5 ms by its own work" if clients else "to compare"
        figures.append(Figure(what, text, bound, not clients or seen["busy"]["p99"] < 0.005))
    return figures


def _spread(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value * 1e3:.1f} ms" for name, value in seconds.items())


async def _smooth(server: Observed, clients: int) -> float:
    readers, senders, until = server.crowd(), server.crowd(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(STREAMS):
            group.create_task(readers.streams(until))
        for _ in range(clients):
            group.create_task(senders.bodies(until, size=LARGE_BYTES, pause=LARGE_PAUSE))
        await asyncio.sleep(1)
        await asyncio.to_thread(server.reset)
        sent = senders.answered
        await asyncio.sleep(SMOOTH_SECONDS)
        # What is seen afterwards still counts only this time and the moment of the end.
        per_second = (senders.answered - sent) / SMOOTH_SECONDS
        until.set()
    if readers.failed or senders.failed:
        raise SystemExit("requests failed")
    return per_second


def many(server: Observed) -> Figure:
    """What a thousand open streams take."""
    resident, began = asyncio.run(_many(server))
    text = f"{resident / MIB:.0f} MiB, {(resident - began) / OPEN_STREAMS / 1024:.0f} KiB each"
    return Figure(f"{OPEN_STREAMS} open streams in one process", text, "≤ 200 MiB", resident <= 200 * MIB)


async def _many(server: Observed) -> tuple[int, int]:
    crowd, began = server.crowd(), server.resident
    for _ in range(OPEN_STREAMS // 50):
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(crowd.hold())
    await asyncio.sleep(2)
    resident = server.resident
    crowd.close()
    await asyncio.sleep(1)
    if crowd.failed:
        raise SystemExit("streams failed")
    return resident, began


def flat(server: Observed, requests: int) -> Figure:
    """How memory goes over many requests."""
    lua = script(server.directory, model=MODEL, stream=False, key=server.key)
    url = f"http://127.0.0.1:{PORT}/v1/chat/completions"
    done, sizes = 0, [server.resident]
    while done < requests:
        cost = drive(server.process.pid, url, lua, connections=32, seconds=10, core=LOAD_CORE)
        if cost.errors:
            raise SystemExit(f"{cost.errors} requests failed")
        done += cost.requests
        while done >= requests * len(sizes) / SLICES and len(sizes) <= SLICES:
            sizes.append(server.resident)
            sys.stdout.write(f"{done:>9} requests, {sizes[-1] / MIB:.1f} MiB\n")
            sys.stdout.flush()
    # The first slices fill what is bounded: prefixes, pools, the allocator's arenas.
    settled = sizes[len(sizes) // 2]
    growth = (sizes[-1] - settled) / settled
    text = f"{settled / MIB:.1f} MiB at half, {sizes[-1] / MIB:.1f} MiB at the end ({growth:+.1%})"
    return Figure(f"memory over {done:,} requests", text, "≤ 2 % more in the second half", growth <= 0.02)


def aborts(server: Observed, count: int) -> Figure:
    """What clients leave behind that leave before or after the first byte, by FIN or by reset."""
    server.seen()
    before, sockets, resident = server.seen(), server.sockets, server.resident
    asyncio.run(_abort(server.crowd(), count))
    held = ("tasks", "reservations", "waiting", "upstream")
    seen, left = before, {}
    end = time.monotonic() + 10
    while time.monotonic() < end:
        seen = server.seen()
        left = {name: seen[name] - before[name] for name in held} | {"sockets": server.sockets - sockets}
        if not any(value > 0 for value in left.values()):
            break
    names = ", ".join(f"{max(0, value)} {name}" for name, value in left.items())
    text = f"left behind: {names}; memory {(server.resident - resident) / MIB:+.1f} MiB"
    return Figure(f"{count:,} clients leave, streaming and before it", text, "nothing", max(left.values()) <= 0)


async def _abort(crowd: Crowd, count: int) -> None:
    gate = asyncio.Semaphore(100)

    async def one(number: int) -> None:
        async with gate:
            await crowd.leave(number)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


def measure(requests: int, left: int) -> list[Figure]:
    """Measure all four, on one server."""
    with tempfile.TemporaryDirectory(prefix="logits-bench-") as name:
        command = [sys.executable, str(HERE / "mock_engine.py"), *map(str, ENGINE_PORTS)]
        engine = Process(command, Path(name) / "engine", {}, LOAD_CORE)
        try:
            engine.until(f"http://127.0.0.1:{ENGINE_PORTS[0]}/v1/models")
            (Path(name) / "server").mkdir()
            server = Observed(Path(name) / "server")
            try:
                return [*smooth(server), many(server), aborts(server, left), flat(server, requests)]
            finally:
                server.process.stop()
        finally:
            engine.stop()


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--aborts", type=int, default=10_000)
    arguments = parser.parse_args()
    figures = measure(arguments.requests, arguments.aborts)
    text = "| | measured | bound | kept |\n|---|---|---|---|\n" + "".join(figure.row() for figure in figures)
    sys.stdout.write(text)
    if arguments.write:
        put("endurance", text)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
