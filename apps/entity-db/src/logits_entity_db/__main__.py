"""Start the Entity DB: ``python -m logits_entity_db``."""

import os
from collections.abc import Mapping

from logits_entity_db.adapters.volume import Volume
from logits_entity_db.app import create_app, utc_now
from logits_entity_db.settings import Settings
from logits_shell.serve import run, serve
from logits_shell.settings import from_env
from logits_shell.telemetry import Telemetry


async def main(environment: Mapping[str, str]) -> None:
    """Serve until the process is told to stop."""
    settings = from_env(Settings, environment)
    telemetry = Telemetry.create("entity-db", settings)
    volume = Volume(settings.data_directory)
    await volume.lock(settings.lock_wait_seconds, settings.pod_name)
    with volume.opened(utc_now()) as store:
        app = create_app(settings, telemetry, store, volume)
        await serve(
            telemetry,
            settings,
            app.asgi,
            app.writer.run,
            app.upkeep.compact_for_ever,
            app.upkeep.back_up_for_ever,
            stopping=app.watches.close,
        )


if __name__ == "__main__":
    run(lambda: main(os.environ))
