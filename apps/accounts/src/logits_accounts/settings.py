"""Settings of Accounts: the only reader of its environment."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """Everything that an installation of Accounts can decide."""

    drain_seconds: float = Field(
        3.0,
        ge=0,
        description="Seconds that requests in flight may take after SIGTERM; only idle waits take longer.",
    )
    data_directory: str = Field("/var/lib/logits", description="Folder of the SQLite file; path.")
    database_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL, as postgresql://user:password@host/name; empty keeps SQLite in the data directory.",
    )
    database_connections: int = Field(8, ge=1, le=100, description="Pooled PostgreSQL connections; count.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+)?$",
        description="Address at which people reach Accounts, for links in mail; URL without a path.",
    )
    ops_api_url: str = Field("http://logits-ops-api:8080", description="Where the Ops API is; URL.")
    service_token: str = Field(
        min_length=16, repr=False, description="Token with which Accounts calls the Ops API; text."
    )
    development_mailbox: bool = Field(
        False, description="Show all mail on /mailbox and send none; never in production."
    )
    smtp_url: str = Field(
        "",
        repr=False,
        pattern=r"^(smtps?://[^\s]+)?$",
        description="Relay for outgoing mail, smtp:// (STARTTLS) or smtps://, with user:password@ if needed; URL.",
    )
    mail_from: str = Field("Logits <no-reply@logits.ai>", description="Sender of all mail; address.")
    bootstrap_file: str = Field(
        "", description="JSON file with a first account and environment, applied once at start; path."
    )
    chart: str = Field("helm/gateway", description="Chart that the install command names; chart reference.")
    install_options: str = Field(
        "", description="Options that the install command carries besides envID and envKey; text."
    )
    session_days: float = Field(14, gt=0, le=400, description="How long a sign-in lasts; days.")
    max_followers: int = Field(
        500, ge=1, description="Environment pages that may follow their checklist live at once; count."
    )

    @model_validator(mode="after")
    def _mail_goes_somewhere(self) -> Self:
        if not self.development_mailbox and not (self.smtp_url and self.public_url):
            raise ValueError(
                "set LOGITS_SMTP_URL and LOGITS_PUBLIC_URL to send mail, or LOGITS_DEVELOPMENT_MAILBOX=true"
            )
        return self

    def store_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.data_directory}/accounts.db"

    @property
    def secure(self) -> bool:
        """Whether people reach Accounts by https, so that cookies may insist on it."""
        return self.public_url.startswith("https://")
