"""Start the API Server: ``python -m logits_api_server``."""

from __future__ import annotations

import os
from collections.abc import Mapping

from logits_api_server.app import open_app
from logits_api_server.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop."""
    settings = from_env(Settings, environment)
    telemetry = Telemetry.create("api-server", settings)
    async with open_app(settings, telemetry) as app:
        await serve(telemetry, settings, app.asgi, *app.background, protocol=app.protocol)


if __name__ == "__main__":
    run(lambda: main(os.environ), relays=True)
