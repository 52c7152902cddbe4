"""Settings of the Gateway, all from the chart that the customer installs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from logits_core.policy import Mode
from logits_core.rollout import Pins
from logits_shell.settings import AppSettings

RootPin = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


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
    images_root: RootPin = Field(description="Pinned root of the keys that say what may ever run; sha256:HEX.")
    director_root: RootPin = Field(description="Pinned root of the keys that say what runs here now; sha256:HEX.")
    data_directory: Path = Field(
        Path("/var/lib/logits"),
        description="Directory of the audit log, the accepted release, trusted metadata and keys.",
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
    tls_port: int = Field(
        8443, ge=0, le=65535, description="Port for stock Kubernetes clients, which want TLS; 0 for none."
    )
    checkpoint_seconds: float = Field(
        10.0, gt=0, description="How often in seconds the audit log is signed, if it has grown."
    )
    heartbeat_seconds: float = Field(
        60.0, gt=0, description="Longest time in seconds without a record in the audit log; a heartbeat ends it."
    )
    egress_days: int = Field(30, ge=1, le=3650, description="Days that the text of what left is kept.")
    read_only: bool = Field(False, description="Whether nothing in the cluster is changed through the Gateway.")
    paused: bool = Field(
        False, description="Whether nothing is changed, and nothing leaves for the Ops API or is asked of it."
    )
    max_watches: int = Field(1000, ge=1, description="Watches that may be open at once; more get 429.")

    @property
    def pins(self) -> Pins:
        """The roots that the customer installed."""
        return Pins(self.images_root.removeprefix("sha256:"), self.director_root.removeprefix("sha256:"))

    @property
    def mode(self) -> Mode:
        """The mode that the chart's values ask for."""
        if self.paused:
            return Mode.PAUSED
        return Mode.READ_ONLY if self.read_only else Mode.NORMAL
