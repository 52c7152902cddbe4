"""Settings of the Ingress Proxy, each with its unit and default."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

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
    authentication: Literal["none", "users", "oidc"] = Field(
        "none",
        description="Who may use the Console and the Entity DB: `none`, everybody who reaches this; `users`, those of "
        "LOGITS_USERS_FILE; `oidc`, those whom the issuer signs in. Inference keeps its own keys.",
    )
    users_file: Path | None = Field(
        None, description="File of `name:hash` lines, argon2 or bcrypt, for the authentication `users`."
    )
    oidc_issuer: str = Field("", pattern=r"^(https?://\S+)?$", description="URL of the OpenID Connect issuer.")
    oidc_client_id: str = Field("", description="Client id of this installation at the issuer.")
    oidc_client_secret_file: Path | None = Field(
        None, description="File of the client secret; none: a public client, with PKCE alone."
    )
    oidc_email_domains: str = Field(
        "", description="Comma-separated domains; only people with a verified address there get in. Empty: everybody."
    )
    public_url: str = Field(
        "", pattern=r"^(https?://[^/\s]+)?$", description="URL that browsers know this by, for the issuer's way back."
    )
    session_seconds: int = Field(43_200, ge=60, description="How long a sign-in lasts, seconds.")
    session_key_file: Path | None = Field(
        None, description="File of at least 32 bytes that sign sessions; none: a key of this process' own."
    )
    tls_certificate_file: Path | None = Field(
        None, description="Certificate chain in PEM; with it this speaks https. Read again when it changes."
    )
    tls_key_file: Path | None = Field(None, description="Private key of the certificate, PEM.")
    connect_seconds: float = Field(2.0, gt=0, description="Time to connect to a system behind this one, seconds.")
    first_byte_seconds: float = Field(
        660.0, gt=0, description="Longest time until a system behind this one begins to answer, seconds."
    )
    idle_seconds: float = Field(
        330.0, gt=0, description="Longest silence in the middle of an answer or an event stream, seconds."
    )
    connections_limit: int = Field(8192, ge=1, description="Open client connections; more are answered 503.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes behind the one port; the limit of connections is divided among them, and each has an "
        "observation port of its own, counted up from LOGITS_METRICS_PORT. In Kubernetes replicas do the same.",
    )
