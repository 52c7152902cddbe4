"""Load and accounting of the data-path figures: wrk drives, the kernel's accounting says what it cost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from processes import descendants

PROMPT = "The quick brown fox jumps over the lazy dog; " * 23
"""About 1 KB of prompt."""

_SCRIPT = """\
wrk.method = "POST"
wrk.body = [[{body}]]
wrk.headers["Content-Type"] = "application/json"
{authorization}
"""


@dataclass(frozen=True)
class Cost:
    """What one run cost a proxy.

    Attributes:
        requests: Requests that were answered.
        errors: Answers that weren't 2xx, and socket errors.
        micros: Processor time of the proxy per request, microseconds.
        resident: Resident memory of the proxy after the run, bytes.
    """

    requests: int
    errors: int
    micros: float
    resident: int

    def lower(self, other: Cost) -> Cost:
        """The cheaper of two runs."""
        return self if self.micros <= other.micros else other


def script(directory: Path, *, model: str, stream: bool, key: str = "") -> Path:
    """Write a wrk script that posts chat completions; returns its path."""
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 64}
    if stream:
        body["stream"] = True
    authorization = f'wrk.headers["Authorization"] = "Bearer {key}"' if key else ""
    path = directory / f"{model}-{'stream' if stream else 'whole'}{'-key' if key else ''}.lua"
    encoded = json.dumps(body, separators=(",", ":"))
    path.write_text(_SCRIPT.format(body=encoded, authorization=authorization))
    return path


def cpu_seconds(root: int) -> float:
    """Processor time of a process and its descendants so far, all threads, in seconds."""
    total = 0
    for pid in descendants(root):
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def resident_bytes(root: int) -> int:
    """Resident memory of a process and its descendants."""
    pages = 0
    for pid in descendants(root):
        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def drive(pid: int, url: str, lua: Path, *, connections: int, seconds: int, core: int) -> Cost:
    """Load `url` and account the processor time of `pid` for it.

    Args:
        pid: The proxy.
        url: Where the requests go.
        lua: What is posted, see `script`.
        connections: Connections of wrk, each with one request in flight.
        seconds: How long.
        core: The core that wrk runs on.
    """
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    before = cpu_seconds(pid)
    result = subprocess.run([*command, "-s", str(lua), url], check=True, capture_output=True, text=True)
    used = cpu_seconds(pid) - before
    requests = int(_found(r"(\d+) requests in", result.stdout))
    failed = int(_found(r"Non-2xx or 3xx responses: (\d+)", result.stdout))
    socket_errors = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", result.stdout))
    return Cost(requests, failed + socket_errors, used / max(1, requests) * 1e6, resident_bytes(pid))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "0"
