"""Start of the Controller: read the settings, reconcile until told to stop."""

from __future__ import annotations

import os

from logits_controller.app import create_app
from logits_controller.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Run one process of the Controller."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("controller", settings)
    controller = create_app(settings, telemetry)
    try:
        await serve(telemetry, settings, controller.asgi, *controller.background)
    finally:
        await controller.close()


if __name__ == "__main__":
    run(main)
