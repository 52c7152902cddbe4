"""The figures of `make bench`: start, idle cost, wake-up and page latency of the embedded platform.

``python bench/run.py`` starts a platform of its own in a temporary directory, measures, prints each
figure beside its bound, and stops it again. Figures are of this machine; bounds are for two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from processes import Sample, descendants, sample

ROOT = Path(__file__).resolve().parents[1]
LOGITS = [sys.executable, "-m", "logits_client.cli"]
PORT = 28080
IDLE_SECONDS = 20
MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One measured value and the bound that it should keep."""

    what: str
    value: float
    bound: float
    unit: str

    def line(self) -> str:
        """The figure as a row."""
        mark = "ok  " if self.value <= self.bound else "OVER"
        return f"{mark} {self.what:<58} {self.value:>9.2f} {self.unit:<4} (bound {self.bound:g})"


class Platform:
    """A platform of the benchmark's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{PORT}"

    def up(self) -> float:
        """Start it; returns seconds until it answered."""
        began = time.monotonic()
        subprocess.run(
            [*LOGITS, "up", "--data-dir", str(self.directory), "--port", str(PORT)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.monotonic() - began

    def down(self) -> None:
        """Stop it."""
        subprocess.run([*LOGITS, "down", "--data-dir", str(self.directory)], check=True, stdout=subprocess.DEVNULL)

    def daemon(self) -> int:
        """Process id of the cluster's daemon."""
        return int((self.directory / "lock").read_text().split()[0])

    def switch(self, enabled: bool) -> None:
        """Enable or disable the demo model."""
        answer = httpx.patch(f"{self.url}/console/models/logits-demo", json={"enabled": enabled}, timeout=10)
        answer.raise_for_status()

    def stage(self) -> str:
        """The demo model's stage."""
        status: dict[str, Any] = self.deployment().get("status") or {}
        return str(status.get("stage"))

    def deployment(self) -> dict[str, Any]:
        """The demo model's deployment."""
        found: dict[str, Any] = httpx.get(f"{self.url}/entities/modeldeployments/logits-demo", timeout=10).json()
        return found

    def answers(self) -> bool:
        """Whether a completion works."""
        body = {"model": "logits-demo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
        return httpx.post(f"{self.url}/api/v1/chat/completions", json=body, timeout=60).status_code == 200


def until(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Seconds until the condition held."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit("a condition was not met in time")
        time.sleep(0.01)
    return time.monotonic() - began


def idle(platform: Platform) -> list[Figure]:
    """Memory and processor time of the platform while nobody asks."""
    time.sleep(5)
    processes = descendants(platform.daemon())
    before = {pid: sample(pid) for pid in processes}
    time.sleep(IDLE_SECONDS)
    after: dict[int, Sample] = {pid: sample(pid) for pid in processes if Path(f"/proc/{pid}").exists()}
    total = sum(value.resident for value in after.values()) / MIB
    largest = max(value.resident for pid, value in after.items() if pid != platform.daemon()) / MIB
    busy = sum(value.seconds - before[pid].seconds for pid, value in after.items())
    for pid, value in sorted(after.items(), key=lambda item: -item[1].resident):
        share = (value.seconds - before[pid].seconds) / IDLE_SECONDS * 100
        sys.stdout.write(f"     {value.resident / MIB:7.1f} MiB {share:5.2f} %  {value.name}\n")
    return [
        Figure("the whole platform idle, resident (MiB)", total, 1536, "MiB"),
        Figure("the largest component idle, resident (MiB)", largest, 100, "MiB"),
        Figure("the whole platform idle, share of one core (%)", busy / IDLE_SECONDS * 100, 5, "%"),
    ]


def engine_load_seconds() -> float:
    """How long the engine alone takes from its start to a token, without the platform."""
    model = ROOT / "models/logits-demo/logits-demo.gguf"
    code = (
        "import time, xllamacpp as x; p = x.CommonParams(); "
        f"p.model.path = {str(model)!r}; p.port = 0; s = x.Server(p); "
        "print(s.handle_completions({'prompt': 'a', 'n_predict': 1}) is not None)"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.monotonic() - began


def wake(platform: Platform) -> Figure:
    """From enabling a model to its first token, less what its engine takes to load."""
    platform.switch(False)
    until(lambda: platform.stage() == "Disabled")
    began = time.monotonic()
    platform.switch(True)
    until(platform.answers)
    return Figure(
        "enable a model to first token, beyond its engine's load",
        time.monotonic() - began - engine_load_seconds(),
        3,
        "s",
    )


def page(platform: Platform) -> list[Figure]:
    """From a change in the Console's API to its sight in a browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stdout.write("     (no Chromium: the page's latency is left out)\n")
        return []
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        opened = browser.new_page()
        opened.goto(f"{platform.url}/models")
        opened.get_by_text("live", exact=True).wait_for()
        began = time.monotonic()
        platform.switch(False)
        opened.get_by_role("button", name="Enable logits-demo").wait_for()
        seconds = time.monotonic() - began
        browser.close()
    return [Figure("a change in the Console to its sight in the browser", seconds, 1, "s")]


def main() -> int:
    """Measure everything; exit code 1 when a bound isn't kept."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory(prefix="logits-bench-") as directory:
        platform = Platform(Path(directory) / "data")
        figures = [Figure("logits up to the first answer", platform.up(), 30, "s")]
        try:
            figures += idle(platform)
            figures.append(wake(platform))
            figures += page(platform)
        finally:
            platform.down()
    for figure in figures:
        sys.stdout.write(figure.line() + "\n")
    return 0 if all(figure.value <= figure.bound for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
