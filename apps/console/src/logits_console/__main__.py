"""The Console's entry point."""

from __future__ import annotations

import os

from logits_console.app import create_app, open_world
from logits_console.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Read the settings, open the connections, run until told to stop."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("console", settings)
    async with open_world(settings, telemetry) as world:
        caches = (world.deployments.run, world.models.run, world.components.run, world.follow)
        await serve(telemetry, settings, create_app(world, telemetry), *caches, stopping=world.close)


if __name__ == "__main__":
    run(main)
