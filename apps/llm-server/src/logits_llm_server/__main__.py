"""Start the LLM Server: ``python -m logits_llm_server``."""

import os
from collections.abc import Mapping

import anyio
import httpx

from logits_llm_server.app import create_app
from logits_llm_server.settings import Settings
from logits_shell.entities import EntityClient
from logits_shell.relay import UpstreamPool
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry

WITHDRAW_SECONDS = 2.0


async def main(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop."""
    settings = from_env(Settings, environment)
    telemetry = Telemetry.create("llm-server", settings)
    pool = UpstreamPool()
    async with httpx.AsyncClient(trust_env=False) as http, EntityClient(settings.entity_db_url) as entities:
        app = create_app(
            settings,
            telemetry,
            environment=environment,
            cpus=len(os.sched_getaffinity(0)),
            http=http,
            entities=entities,
            pool=pool,
        )
        await serve(
            app.telemetry,
            settings,
            app.asgi,
            app.supervisor.run,
            app.reporter.run,
            app.readiness.run,
            protocol=app.protocol,
        )
        pool.close()
        with anyio.move_on_after(WITHDRAW_SECONDS):
            await app.reporter.withdraw()


if __name__ == "__main__":
    run(lambda: main(os.environ), relays=True)
