"""Settings of the Ops API: the only reader of its environment."""

from __future__ import annotations

from pydantic import Field

from logits_shell.settings import AppSettings

SHA256 = r"^[0-9a-f]{64}$"


class Settings(AppSettings):
    """Everything that an installation of the Ops API can decide."""

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
    operator_token_sha256: str = Field(pattern=SHA256, description="SHA-256 of the operator token; hex.")
    service_token_sha256: str = Field(pattern=SHA256, description="SHA-256 of the token that Accounts calls with; hex.")
    director_key: str = Field(
        "",
        repr=False,
        description="Private key of the director role, a secret: PEM, or a URI of securesystemslib such as awskms:ID.",
    )
    director_hours: float = Field(
        6, gt=0, le=168, description="How long the director's word holds; it is renewed at half of it; hours."
    )
    max_waiters: int = Field(10_000, ge=1, description="Long polls and event streams that may wait at once; count.")
    max_batch_bytes: int = Field(4_194_304, ge=1024, description="A batch as sent, compressed; bytes.")
    max_batch_plain_bytes: int = Field(33_554_432, ge=1024, description="A batch after decompression; bytes.")
    max_batch_records: int = Field(100_000, ge=1, description="Records in one batch; count.")
    retention_days: float = Field(14, gt=0, description="How long logs and metrics are kept; days.")
    retention_records: int = Field(
        200_000, ge=1, description="Log records kept per environment, the newest ones; count."
    )
    retention_metric_batches: int = Field(
        500, ge=1, description="Metric batches kept per environment, the newest ones; count."
    )
    operator_session_hours: float = Field(12, gt=0, description="How long a sign-in to the fleet page lasts; hours.")
    secure_cookies: bool = Field(
        False, description="Send cookies over https only; true wherever the fleet page has TLS."
    )

    def store_url(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.data_directory}/ops-api.db"
