"""Start of the Gateway: read the settings, find the cluster, serve until told to stop."""

from __future__ import annotations

import os

from logits_gateway.app import create_app
from logits_gateway.settings import Settings
from logits_shell.kubernetes import in_cluster
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Run one process of the Gateway."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("gateway", settings)
    access = in_cluster(os.environ, settings.kubernetes_credentials)
    gateway = create_app(settings, telemetry, access)
    try:
        await gateway.begin()
        background, protocol = gateway.background, gateway.protocol
        await serve(telemetry, settings, gateway.asgi, *background, protocol=protocol, secured=gateway.secured)
    finally:
        await gateway.close()


if __name__ == "__main__":
    run(main, relays=True)
