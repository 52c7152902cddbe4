"""Start of the Ops API: read the settings, serve until told to stop."""

from __future__ import annotations

import os

from logits_ops_api.app import create_app
from logits_ops_api.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Run one process of the Ops API."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("ops-api", settings)
    ops_api = create_app(settings, telemetry)
    try:
        stopping = ops_api.services.changes.close
        await serve(telemetry, settings, ops_api.asgi, ops_api.retention, stopping=stopping)
    finally:
        ops_api.close()


if __name__ == "__main__":
    run(main)
