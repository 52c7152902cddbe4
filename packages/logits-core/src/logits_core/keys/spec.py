"""What the entity of an API key says: its secrets' hashes, its expiry, its models and its limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from logits_core.entities.model import EntityName
from logits_core.entities.specs import ShortText, Spec, Status
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys.credential import Credential, Instant, instant

CREDENTIALS = 4
"""Secrets that one key may have at a time: the newest, and those that a rotation lets live on for a while."""

Limit = Annotated[int, Field(ge=1, le=1_000_000_000)]


class ApiKeySpec(Spec):
    """An API key of the customer's: who may call, which models, and how much."""

    model_config = ConfigDict(validate_by_name=True)

    display_name: ShortText = Field(default="", description="What the key is for, for people.")
    credentials: Annotated[tuple[Credential, ...], Field(min_length=1, max_length=CREDENTIALS, strict=False)] = Field(
        description="Its secrets, newest first; more than one while a rotation overlaps."
    )
    revoked: bool = Field(default=False, description="Whether it's refused from now on.")
    expires_at: Instant | None = Field(
        default=None, description="RFC 3339 UTC time from which it's refused; none: never."
    )
    models: Annotated[tuple[EntityName, ...], Field(max_length=1000, strict=False)] = Field(
        default=(), description="Model deployments that it may call; empty: all."
    )
    requests_per_minute: Limit | None = Field(default=None, description="Requests per minute; none: no limit.")
    tokens_per_minute: Limit | None = Field(
        default=None, description="Tokens per minute, prompt and answer together; none: no limit."
    )
    concurrency: Limit | None = Field(default=None, description="Requests under way at once; none: no limit.")


class ApiKeyStatus(Status):
    """Nothing is observed of a key; what it used is in the usage records."""


def rotated(spec: ApiKeySpec, fresh: Credential, old_until: str) -> ApiKeySpec:
    """Return a key with a new secret; those before it are refused from `old_until` on, if not earlier.

    Raises:
        LogitsError: CONFLICT, a revoked key isn't brought back to life.
    """
    if spec.revoked:
        raise LogitsError(ErrorCode.CONFLICT, "The key is revoked. Create a new one.")
    limit = instant(old_until)
    older = [
        credential
        if credential.expires_at is not None and instant(credential.expires_at) <= limit
        else credential.model_copy(update={"expires_at": old_until})
        for credential in spec.credentials
    ]
    kept = (fresh, *older)[:CREDENTIALS]
    return spec.model_copy(update={"credentials": kept})
