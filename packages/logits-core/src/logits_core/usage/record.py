"""The usage record: what one process counted in one hour, as the Entity DB keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import Field

from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.specs import ShortText, Spec, Status
from logits_core.usage.ledger import ROWS, Counts, RowKey

DAY_LABEL: Final = "logits.ai/day"
MONTH_LABEL: Final = "logits.ai/month"
PLURAL: Final = "usagerecords"
Tokens = Annotated[int, Field(ge=0, le=1 << 53)]


class UsageRow(Spec):
    """One key's use of one model."""

    key: ShortText = Field(description="Name of the API key; empty for callers without one.")
    model: ShortText = Field(description="Name of the model deployment.")
    requests: Tokens = Field(default=0, description="Requests that an LLM Server has had.")
    failed: Tokens = Field(default=0, description="Of those, refused or not finished by the engine.")
    aborted: Tokens = Field(default=0, description="Of those, left by their client.")
    estimated: Tokens = Field(default=0, description="Of those, with tokens that the engine never told.")
    prompt_tokens: Tokens = Field(default=0, description="Tokens of prompts, cached ones included.")
    cached_tokens: Tokens = Field(default=0, description="Tokens of prompts whose work was done before.")
    completion_tokens: Tokens = Field(default=0, description="Tokens of answers.")


class UsageRecordSpec(Spec):
    """What one API Server counted in one hour; the hour's usage is the sum over all of its records."""

    hour: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}$")] = Field(description="The hour, UTC.")
    rows: Annotated[tuple[UsageRow, ...], Field(max_length=ROWS + 1, strict=False)] = ()


class UsageRecordStatus(Status):
    """Nothing is observed of a record."""


def record_name(hour: str, process: str) -> str:
    """Return the name of a process' record of an hour.

    Args:
        hour: Such as `2026-11-23T08`.
        process: Unique for each life of each process, in hex.
    """
    return f"usage-{hour.replace('T', '-')}-{process}"


def labels_of(hour: str) -> dict[str, str]:
    """Return the labels by which a day's and a month's records are found."""
    return {DAY_LABEL: hour[:10], MONTH_LABEL: hour[:7]}


def spec_of(hour: str, rows: Mapping[tuple[str, str], Counts]) -> JsonObject:
    """Return a record's spec."""
    return {
        "hour": hour,
        "rows": [
            {
                "key": key,
                "model": model,
                "requests": counts.requests,
                "failed": counts.failed,
                "aborted": counts.aborted,
                "estimated": counts.estimated,
                "promptTokens": counts.prompt_tokens,
                "cachedTokens": counts.cached_tokens,
                "completionTokens": counts.completion_tokens,
            }
            for (key, model), counts in sorted(rows.items())
        ],
    }


def rows_of(record: Entity) -> dict[RowKey, Counts]:
    """Return what a stored record says."""
    spec = UsageRecordSpec.model_validate(record.spec, by_alias=True, by_name=False)
    return {
        RowKey(spec.hour, row.key, row.model): Counts(
            row.requests,
            row.failed,
            row.aborted,
            row.estimated,
            row.prompt_tokens,
            row.cached_tokens,
            row.completion_tokens,
        )
        for row in spec.rows
    }


def merged(records: Iterable[Entity]) -> dict[RowKey, Counts]:
    """Return the usage of several records together, by hour, key and model."""
    total: dict[RowKey, Counts] = {}
    for record in records:
        for place, counts in rows_of(record).items():
            total.setdefault(place, Counts()).add(counts)
    return dict(sorted(total.items()))
