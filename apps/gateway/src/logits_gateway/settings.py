"""Settings of the Gateway, all from the chart that the customer installs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """What the customer decided at installation; nothing here can be changed from outside."""

    drain_seconds: float = Field(
        3.0, ge=0, description="Seconds that requests in flight may take to finish after SIGTERM."
    )
    env_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")] = Field(
        description="Id of this environment, a UUID from Accounts."
    )
    env_key: Annotated[str, StringConstraints(min_length=8, max_length=128, pattern=r"^[!-~]+$")] = Field(
        repr=False, description="Key of this environment, from Accounts; a secret."
    )
    ops_api_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/ ]+(/[^ ]*)?$")] = Field(
        description="Base URL of the Ops API."
    )
    release_public_keys: str = Field(
        min_length=44,
        description="Ed25519 keys that may sign releases: base64 of 32 raw bytes each, comma separated.",
    )
    data_directory: Path = Field(
        Path("/var/lib/logits"), description="Directory of the audit log, the accepted release and keys."
    )
    kubernetes_credentials: Path = Field(
        Path("/var/run/secrets/kubernetes.io/serviceaccount"),
        description="Directory with the Gateway's own ServiceAccount token and the cluster's CA.",
    )
    rollout_deadline_seconds: float = Field(
        120.0, gt=0, le=3600, description="Seconds that a new Controller has to become ready."
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        "IfNotPresent", description="Pull policy of every image of Logits."
    )
    desired_wait_seconds: int = Field(
        25, ge=1, le=55, description="Seconds that the Ops API holds a question for a release open."
    )
    report_seconds: float = Field(60.0, gt=0, description="Longest time in seconds between two reports to the Ops API.")
    max_watches: int = Field(1000, ge=1, description="Watches that may be open at once; more get 429.")
