"""Migration: a store's schema from the revision that it has to the newest one, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData

from logits_core.errors import ErrorCode, LogitsError


def upgrade(engine: Engine, migrations: Path, metadata: MetaData) -> None:
    """Bring the schema to the newest revision, in one transaction.

    Args:
        engine: of the store.
        migrations: folder with ``versions/``.
        metadata: the tables that the newest revision must produce.

    Raises:
        LogitsError: CONFLICT when a newer version of this app has written the store.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection, connection.begin():
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise LogitsError(
                ErrorCode.CONFLICT,
                f"the database is at revision {current}, which a newer version wrote: run that version",
            )
        config.attributes["connection"] = connection
        config.attributes["metadata"] = metadata
        command.upgrade(config, "head")
