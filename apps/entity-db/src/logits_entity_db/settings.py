"""Settings of the Entity DB."""

from pathlib import Path

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """Where the entities are kept, and the bounds of everything."""

    drain_seconds: float = Field(
        2.0, ge=0, description="Seconds that writes in flight may take after SIGTERM; watches are cut."
    )
    data_directory: Path = Field(
        Path("/var/lib/logits"), description="Directory of the database, its lock and its backups."
    )
    history_changes: int = Field(
        5_000, ge=10, description="Changes kept for watchers; an older watch has to list again."
    )
    body_bytes_limit: int = Field(1_048_576, ge=1_024, description="Bytes that a request body may have.")
    page_limit: int = Field(500, ge=1, le=10_000, description="Entities on one page of a list, at most.")
    watchers_limit: int = Field(1_000, ge=1, description="Watches open at once.")
    queue_limit: int = Field(1_024, ge=1, description="Writes that may wait for their commit.")
    group_limit: int = Field(64, ge=1, description="Writes that share one commit, at most.")
    backup_seconds: float = Field(3_600.0, gt=0, description="Seconds between backups.")
    backups_kept: int = Field(3, ge=1, description="Backups kept beside the database.")
    lock_wait_seconds: float = Field(
        30.0, ge=0, description="Seconds to wait at start for a predecessor to let go of the database."
    )
    bookmark_seconds: float = Field(15.0, gt=0, description="Seconds of silence before a watch says where it is.")
