"""Settings of the Console, read once from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """What the Console can be told."""

    entity_db_url: str = Field("http://logits-entity-db:8080", description="Base URL of the Entity DB.")
    api_server_url: str = Field("http://logits-api-server:8080", description="Base URL of the API Server.")
    gateway_url: str = Field(
        "http://logits-gateway:8080", description="Base URL of the Gateway, for its state and the audit log."
    )
    token_file: Path = Field(
        Path("/var/run/secrets/logits/token"), description="Projected ServiceAccount token for the Gateway."
    )
    max_viewers: int = Field(64, ge=1, le=10_000, description="Pages that may be live at once.")
    gateway_poll_seconds: float = Field(
        1.0, ge=0.2, le=60, description="Seconds between looks at the Gateway while somebody watches a page."
    )
