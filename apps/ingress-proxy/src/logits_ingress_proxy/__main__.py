"""Start the Ingress Proxy: ``python -m logits_ingress_proxy``."""

from __future__ import annotations

import os
from collections.abc import Mapping

from logits_ingress_proxy.app import create_app
from logits_ingress_proxy.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop."""
    settings = from_env(Settings, environment)
    telemetry = Telemetry.create("ingress-proxy", settings)
    app = create_app(settings, telemetry)
    try:
        await serve(telemetry, settings, app.asgi, protocol=app.protocol)
    finally:
        app.pool.close()


if __name__ == "__main__":
    run(lambda: main(os.environ))
