"""Start of Accounts: read the settings, serve until told to stop."""

from __future__ import annotations

import os

from logits_accounts.app import create_app
from logits_accounts.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main() -> None:
    """Run one process of Accounts."""
    settings = from_env(Settings, os.environ)
    telemetry = Telemetry.create("accounts", settings)
    accounts = create_app(settings, telemetry)
    try:
        await serve(telemetry, settings, accounts.asgi, *accounts.background)
    finally:
        await accounts.close()


if __name__ == "__main__":
    run(main)
