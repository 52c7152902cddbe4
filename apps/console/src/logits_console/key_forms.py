"""Key forms: what a person or a program may wish of a key, checked field by field."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from logits_core.entities.model import JsonObject, is_name
from logits_core.errors import ErrorCode, LogitsError

OVERLAP_HOURS = 24.0
NUMBERS = ("requestsPerMinute", "tokensPerMinute", "concurrency")


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A new key; what is left out is not limited."""

    name: str
    display_name: str = ""
    models: list[str] = []
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    expires_at: str | None = None

    def spec(self) -> JsonObject:
        """Return the fields of its spec, as the Entity DB names them.

        Raises:
            LogitsError: INVALID for a name that can't be used.
        """
        if not is_name(self.name):
            raise LogitsError(
                ErrorCode.INVALID,
                "name must be 1 to 63 lower-case letters, digits, '-', '.' or '_', such as search-team",
                field="name",
            )
        fields: JsonObject = msgspec.to_builtins(self)
        del fields["name"]
        return fields


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A rotation: how long the older secrets work on."""

    overlap_hours: float = OVERLAP_HOURS

    @property
    def overlap(self) -> timedelta:
        """The same as a duration."""
        return timedelta(hours=min(max(self.overlap_hours, -1.0), 1e6))


def wish_of_form(data: dict[str, str]) -> KeyWish:
    """Read the form of a new key.

    Raises:
        LogitsError: INVALID, naming the field.
    """
    numbers = {name: _number(name, data[name]) for name in NUMBERS if data.get(name, "").strip()}
    models = [name for name in (part.strip() for part in data.get("models", "").split(",")) if name]
    expires = {"expiresAt": f"{data['expires']}T00:00:00Z"} if data.get("expires") else {}
    text = {"name": data.get("name", "").strip(), "displayName": data.get("displayName", "").strip()}
    return msgspec.convert({**text, "models": models, **numbers, **expires}, KeyWish)


def rotation_of_form(data: dict[str, str]) -> Rotation:
    """Read the form of a rotation.

    Raises:
        LogitsError: INVALID, naming the field.
    """
    hours = data.get("overlapHours", "").strip()
    return Rotation(_number("overlapHours", hours)) if hours else Rotation()


def _number(name: str, text: str) -> int:
    if not text.strip().isdecimal() or len(text) > 12:
        raise LogitsError(ErrorCode.INVALID, f"{name} must be a whole number", field=name)
    return int(text)
