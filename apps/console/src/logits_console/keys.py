"""Keys: made, rotated, revoked and deleted in the Entity DB; a secret is seen here once and never kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from logits_core.entities.model import Entity, JsonObject
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import ApiKeySpec, Minted, mint, rotated
from logits_core.keys.credential import instant
from logits_shell.entities import EntityClient

PLURAL: Final = "apikeys"
LONGEST_OVERLAP: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as people see it.

    Attributes:
        name: Of the key.
        purpose: What it's for.
        state: "active", "rotating", "expired" or "revoked".
        prefixes: Visible beginnings of the secrets that work now.
        created: Time of the newest secret.
        until: When it, or its older secret, stops working; "" for never.
        models: Names of the models that it may call; empty for all.
        limits: In words, one per limit.
    """

    name: str
    purpose: str
    state: str
    prefixes: list[str]
    created: str
    until: str
    models: list[str]
    limits: list[str]


class Keys:
    """The keys of this platform.

    Args:
        client: Speaks with the Entity DB.
        random_bytes: Given n, returns n bytes that nobody can guess.
        now: The wall clock.
    """

    def __init__(self, client: EntityClient, random_bytes: Callable[[int], bytes], now: Callable[[], datetime]) -> None:
        self._client = client
        self._random_bytes = random_bytes
        self._now = now

    async def rows(self) -> list[KeyRow]:
        """Return all keys by name."""
        found, _ = await self._client.list(PLURAL)
        now = self._now()
        return [key_row(entity, now) for entity in sorted(found, key=lambda entity: entity.name)]

    async def create(self, name: str, wish: JsonObject) -> Minted:
        """Make a key.

        Args:
            name: Of the key.
            wish: Fields of its spec other than the secrets.

        Raises:
            LogitsError: ALREADY_EXISTS, or INVALID naming the field.
        """
        fresh = self._mint()
        credentials = [fresh.credential.model_dump(mode="json", by_alias=True)]
        await self._client.create(PLURAL, name, {**wish, "credentials": credentials})
        return fresh

    async def rotate(self, name: str, overlap: timedelta) -> Minted:
        """Give a key a new secret; the older ones work on for `overlap`.

        Raises:
            LogitsError: NOT_FOUND, CONFLICT for a revoked key or when somebody else changed it, or INVALID.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            message = f"the overlap must be between 0 and {LONGEST_OVERLAP.days} days"
            raise LogitsError(ErrorCode.INVALID, message, field="overlapHours")
        entity = await self._client.get(PLURAL, name)
        fresh = self._mint()
        spec = rotated(_spec(entity), fresh.credential, _text(self._now() + overlap))
        credentials = [each.model_dump(mode="json", by_alias=True) for each in spec.credentials]
        version = entity.metadata.resource_version
        await self._client.patch(PLURAL, name, {"spec": {"credentials": credentials}}, resource_version=version)
        return fresh

    async def revoke(self, name: str) -> None:
        """Refuse a key from now on; its usage stays."""
        await self._client.patch(PLURAL, name, {"spec": {"revoked": True}})

    async def delete(self, name: str) -> None:
        """Remove a key; its usage stays under its name."""
        await self._client.delete(PLURAL, name)

    def _mint(self) -> Minted:
        return mint(self._random_bytes, _text(self._now()))


def key_row(entity: Entity, now: datetime) -> KeyRow:
    """Return a key as people see it at a moment."""
    spec = _spec(entity)
    working = [each for each in spec.credentials if each.expires_at is None or instant(each.expires_at) > now]
    whole = instant(spec.expires_at) if spec.expires_at is not None else None
    ends = [instant(each.expires_at) for each in working if each.expires_at is not None]
    expired = not working or (whole is not None and whole <= now)
    state = "revoked" if spec.revoked else "expired" if expired else "rotating" if ends else "active"
    if whole is not None:
        ends.append(whole)
    limits = (
        (spec.requests_per_minute, "requests/min"),
        (spec.tokens_per_minute, "tokens/min"),
        (spec.concurrency, "at once"),
    )
    return KeyRow(
        name=entity.name,
        purpose=spec.display_name,
        state=state,
        prefixes=[each.prefix for each in working],
        created=spec.credentials[0].created_at,
        until=_text(min(ends)) if ends else "",
        models=list(spec.models),
        limits=[f"{number:,} {what}" for number, what in limits if number is not None],
    )


def _spec(entity: Entity) -> ApiKeySpec:
    return ApiKeySpec.model_validate(entity.spec, by_alias=True)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
