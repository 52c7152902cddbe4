"""Settings of the Collector, read once from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """What the Collector can be told."""

    gateway_url: str = Field(
        "http://logits-gateway:8080", description="Base URL of the Gateway, the only way out of the cluster."
    )
    token_file: Path = Field(
        Path("/var/run/secrets/logits/token"), description="Projected ServiceAccount token for the Gateway."
    )
    spool_directory: Path = Field(Path("/var/lib/logits"), description="Directory of the batches that wait to be sent.")
    spool_bytes: int = Field(
        256 << 20, ge=1 << 20, description="Bytes that waiting batches may take before the oldest is dropped."
    )
    batch_seconds: float = Field(
        5.0, gt=0, le=300, description="Seconds after which gathered records are sealed into a batch."
    )
    scrape_seconds: float = Field(30.0, ge=1, le=3600, description="Seconds between two scrapes of a pod.")
