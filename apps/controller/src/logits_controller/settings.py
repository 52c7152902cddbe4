"""Settings of the Controller: the only reader of its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """Everything that the Gateway tells the Controller."""

    release: str = Field(
        description='The verified release; JSON {"version", "counter", "images": {component: reference}}.'
    )
    gateway_url: str = Field("http://logits-gateway:8080", description="Root of the Gateway; URL.")
    entity_db_url: str = Field("http://logits-entity-db:8080", description="Root of the Entity DB; URL.")
    token_file: Path = Field(
        Path("/var/run/secrets/logits/token"),
        description="File with the projected token for the Gateway; path.",
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        "IfNotPresent", description="When nodes pull the images of the pods that the Controller makes."
    )
    scale_down_seconds: float = Field(
        300.0, ge=0, description="How long fewer replicas must have been enough before any stops; seconds."
    )
    report_seconds: float = Field(
        60.0, ge=1, description="How often the vendor hears of this environment at least; seconds."
    )
    report_pause_seconds: float = Field(
        5.0, ge=0, description="The shortest time between two reports to the vendor; seconds."
    )
