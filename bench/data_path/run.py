"""The figures of the data path: what one request costs each proxy, in one run, side by side.

``python bench/data_path/run.py [--write] [--rounds N] [--seconds N] [NAME …]`` starts a mock engine, then one proxy
after the other, pinned to one core, loads it by wrk from the other core, and prints processor time per request from
the kernel's accounting. Every proxy has its turn in each round, and its best round counts: whatever else the machine
does can only make a round worse. ``--write`` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from load import Cost, drive, script
from page import put
from proxies import ENGINE_PORTS, MODEL, NotServedError, Process, Proxy, contestants

PROXY_CORE, LOAD_CORE = 0, 1
ROUNDS = 2
SECONDS = 4
CONNECTIONS = {False: 32, True: 64}
ENGINE = Path(__file__).with_name("mock_engine.py")
HEADER = (
    "| | whole answer, µs | × nginx | × sglang-router | 64 events, µs | × nginx | × sglang-router | MiB |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|\n"
)


@dataclass(frozen=True)
class Row:
    """The two costs of one proxy."""

    name: str
    whole: Cost
    stream: Cost

    def best(self, other: Row) -> Row:
        """The lower costs of two rounds."""
        return Row(self.name, self.whole.lower(other.whole), self.stream.lower(other.stream))


def measure(proxy: Proxy, directory: Path, least: int) -> Row:
    """Start a proxy, warm it up, load it with both kinds of requests, stop it."""
    place = Path(tempfile.mkdtemp(dir=directory))
    key = proxy.key(place)
    process = Process(proxy.command(place), place, proxy.environment(place), PROXY_CORE)
    costs: dict[bool, Cost] = {}
    try:
        base = f"http://127.0.0.1:{proxy.port}"
        process.until(base + proxy.ready)
        for stream in (False, True):
            lua = script(place, model=MODEL, stream=stream, key=key)
            url, connections = base + "/v1/chat/completions", CONNECTIONS[stream] // proxy.patience
            seconds = least * min(2, proxy.patience)
            drive(process.pid, url, lua, connections=connections, seconds=seconds // 2, core=LOAD_CORE)
            costs[stream] = drive(process.pid, url, lua, connections=connections, seconds=seconds, core=LOAD_CORE)
            if not costs[stream].requests:
                raise NotServedError(f"{proxy.name} answered nothing at {url}")
    finally:
        process.stop()
    return Row(proxy.name, costs[False], costs[True])


def measure_all(names: list[str], rounds: int, seconds: int) -> dict[str, Row]:
    """Measure every proxy, or those named, round by round."""
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="logits-bench-") as name, ExitStack() as started:
        directory = Path(name)
        command = [sys.executable, str(ENGINE), *map(str, ENGINE_PORTS)]
        engine = Process(command, directory / "engine", {}, LOAD_CORE)
        started.callback(engine.stop)
        engine.until(f"http://127.0.0.1:{ENGINE_PORTS[0]}/v1/models")
        chosen = [proxy for proxy in contestants() if not names or any(part in proxy.name for part in names)]
        for number in range(rounds):
            for proxy in chosen:
                try:
                    row = measure(proxy, directory, seconds)
                except NotServedError as error:
                    print(f"round {number + 1}: {proxy.name} is left out: {error}", flush=True)
                    continue
                print(f"round {number + 1}: {line(row)}", flush=True)
                rows[row.name] = row.best(rows[row.name]) if row.name in rows else row
    return rows


def line(row: Row) -> str:
    """A row as text."""
    whole, stream = row.whole, row.stream
    return (
        f"{row.name:<22} {whole.micros:9.1f} {stream.micros:9.1f} µs   "
        f"{whole.requests:>7} {stream.requests:>6} requests, {whole.errors + stream.errors} errors, "
        f"{stream.resident / 2**20:6.1f} MiB"
    )


def table(rows: dict[str, Row]) -> str:
    """All rows as Markdown, with their ratios to two peers."""
    lines = [HEADER]
    nginx, router = rows.get("nginx"), rows.get("sglang-router")
    for row in rows.values():
        whole, stream = row.whole.micros, row.stream.micros
        cells = [
            row.name,
            f"{whole:,.0f}",
            _ratio(whole, nginx and nginx.whole),
            _ratio(whole, router and router.whole),
            f"{stream:,.0f}",
            _ratio(stream, nginx and nginx.stream),
            _ratio(stream, router and router.stream),
            f"{row.stream.resident / 2**20:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _ratio(micros: float, peer: Cost | None) -> str:
    return "" if peer is None else f"{micros / peer.micros:.2f}"


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    arguments = parser.parse_args()
    rows = measure_all(arguments.names, arguments.rounds, arguments.seconds)
    print(table(rows))
    if arguments.write:
        put("data path", table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
