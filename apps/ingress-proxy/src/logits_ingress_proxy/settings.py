"""Settings of the Ingress Proxy, each with its unit and default."""

from __future__ import annotations

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """What the Ingress Proxy reads from its environment, once, at start."""

    console_url: str = Field("http://logits-console:8080", description="URL of the Console, which serves `/`.")
    api_server_url: str = Field(
        "http://logits-api-server:8080", description="URL of the API Server, which serves `/v1` and `/api/v1`."
    )
    entity_db_url: str = Field(
        "http://logits-entity-db:8080", description="URL of the Entity DB, which serves `/entities`."
    )
    access_token_sha256: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 (hex) of a token that every request must carry as `Authorization: Bearer`; "
        "empty: open access.",
    )
    connect_seconds: float = Field(2.0, gt=0, description="Time to connect to a system behind this one, seconds.")
    first_byte_seconds: float = Field(
        660.0, gt=0, description="Longest time until a system behind this one begins to answer, seconds."
    )
    idle_seconds: float = Field(
        330.0, gt=0, description="Longest silence in the middle of an answer or an event stream, seconds."
    )
    connections_limit: int = Field(8192, ge=1, description="Open client connections; more are answered 503.")
