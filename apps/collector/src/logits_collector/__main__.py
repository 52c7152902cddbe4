"""The Collector's entry point."""

from __future__ import annotations

import os

from logits_collector.app import create_app, open_collector
from logits_collector.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Read the settings, open the connections, run until told to stop."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("collector", settings)
    async with open_collector(settings, telemetry) as collector:
        try:
            await serve(
                telemetry,
                settings,
                create_app(collector, telemetry),
                collector.pods.run,
                collector.discover,
                collector.scrape_all,
                collector.seal,
                collector.send_all,
            )
        finally:
            await collector.flush()


if __name__ == "__main__":
    run(main)
