"""`logits serve` with an eye on its own loop, for the endurance figures: what it holds, and how late it wakes.

``python bench/data_path/observed_server.py STATUS KEYS USAGE PORT ENDPOINT…`` serves as `logits serve` does, and
twice a second writes to STATUS, as JSON, what can't be seen from outside: tasks, reservations, upstream connections,
and the lateness of a timer that fires every millisecond. Creating a file named STATUS.reset starts its count anew.
Beside the lateness by the clock stands the processor time that the loop itself spent in place of waking: on a shared
machine the rest is the scheduler's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from logits_api_server.adapters.key_file import read_keys
from logits_api_server.alone import Alone, address_of, open_alone
from logits_api_server.app import ApiServer
from logits_api_server.settings import Settings
from logits_shell import serve as shell
from logits_shell.telemetry import Telemetry

PULSE_SECONDS = 0.001
WRITE_SECONDS = 0.5


class Eye:
    """Measures the loop that it runs in, and looks at the app."""

    def __init__(self, app: ApiServer, status: Path) -> None:
        self._app = app
        self._status = status
        self._reset = status.with_name(status.name + ".reset")
        self._late: list[float] = []
        self._busy: list[float] = []

    async def pulse(self) -> None:
        """Wake every millisecond and note by how much it was too late."""
        loop = asyncio.get_running_loop()
        while True:
            due, used = loop.time() + PULSE_SECONDS, time.thread_time()
            await asyncio.sleep(PULSE_SECONDS)
            self._late.append(max(0.0, loop.time() - due))
            self._busy.append(max(0.0, time.thread_time() - used - PULSE_SECONDS))

    async def write(self) -> None:
        """Write the status, for ever."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            if self._reset.exists():
                self._late.clear()
                self._busy.clear()
                self._reset.unlink()
            new = self._status.with_name(self._status.name + ".new")
            new.write_text(json.dumps(self._seen()))
            new.rename(self._status)

    def _seen(self) -> dict[str, Any]:
        return {
            "tasks": len(asyncio.all_tasks()),
            "reservations": self._app.router.open_reservations,
            "waiting": self._app.waiting.count,
            "upstream": self._app.pool.open_connections,
            "late": _spread(self._late),
            "busy": _spread(self._busy),
        }


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100], "worst": ordered[-1]}


def main(status: str, keys: str, usage: str, port: str, *endpoints: str) -> None:
    """Serve until stopped."""
    alone = Alone([address_of(url) for url in endpoints], read_keys(Path(keys)), Path(usage), 256)
    given = {"listen_address": "127.0.0.1", "http_port": int(port), "metrics_port": 0, "keys_required": True}
    settings = Settings.model_validate(given)

    async def run() -> None:
        telemetry = Telemetry.create("api-server", settings)
        async with open_alone(settings, telemetry, alone) as app:
            eye = Eye(app, Path(status))
            background = (*app.background, eye.pulse, eye.write)
            await shell.serve(telemetry, settings, app.asgi, *background, protocol=app.protocol)

    shell.run(run, relays=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
