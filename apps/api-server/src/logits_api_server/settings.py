"""Settings of the API Server, each with its unit and default."""

from __future__ import annotations

from pydantic import Field

from logits_shell.settings import AppSettings


class Settings(AppSettings):
    """What the API Server reads from its environment, once, at start."""

    entity_db_url: str = Field(
        "http://logits-entity-db:8080", description="URL of the Entity DB that knows models, LLM Servers and keys."
    )
    body_bytes_limit: int = Field(
        32 * 1024 * 1024, ge=1024, description="Largest request body, bytes; larger ones are refused with 413."
    )
    waiting_limit: int = Field(
        256, ge=0, description="Requests that may wait, all models together, while a model wakes or is busy."
    )
    waiting_bytes_limit: int = Field(
        256 * 1024 * 1024, ge=0, description="Bytes that the bodies of waiting requests may have together."
    )
    waiting_seconds: float = Field(
        300.0,
        gt=0,
        description="Longest wait of one request for a model that wakes, is busy or has lost its LLM Server, seconds.",
    )
    requests_per_slot: int = Field(
        4, ge=1, description="Requests in flight at one LLM Server per slot of its engine; more wait here."
    )
    keep_alive_seconds: float = Field(
        15.0, gt=0, description="Silence after which a waiting event stream gets a sign of life, seconds."
    )
    connect_seconds: float = Field(2.0, gt=0, description="Time to connect to an LLM Server, seconds.")
    first_byte_seconds: float = Field(
        600.0, gt=0, description="Longest time from the request to an LLM Server's first byte, seconds."
    )
    idle_seconds: float = Field(
        300.0, gt=0, description="Longest silence of an LLM Server in the middle of an answer, seconds."
    )
    demand_seconds: float = Field(
        10.0, gt=0, description="Pause after which unchanged demand is reported again while requests run, seconds."
    )
    keys_required: bool = Field(
        False, description="Whether requests without a valid API key are refused; the chart's `apiKeys.required`."
    )
    limit_shares: int = Field(
        1, ge=1, description="Processes that divide each key's limits: each enforces its share, rounded up."
    )
    usage_seconds: float = Field(
        5.0,
        gt=0,
        description="Pause between two writings of usage to the Entity DB; a kill loses at most that, seconds.",
    )
    usage_months: int = Field(13, ge=1, le=100, description="Calendar months that usage is kept, this one included.")
