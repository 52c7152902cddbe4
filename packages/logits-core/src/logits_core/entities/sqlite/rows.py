"""Entities as rows: reading and writing single objects and counters."""

from typing import cast

import msgspec

from logits_core.entities.model import Entity, JsonObject
from logits_core.entities.sqlite.connection import Connection


def counter(connection: Connection, name: str) -> int:
    """Return a stored counter: ``revision``, ``compacted`` or ``readable_from``."""
    return cast("int", connection.value("SELECT value FROM counter WHERE name = ?", (name,)))


def set_counter(connection: Connection, name: str, value: int) -> None:
    """Store a counter."""
    connection.rows("UPDATE counter SET value = ? WHERE name = ?", (value, name))


def find(connection: Connection, plural: str, name: str) -> Entity | None:
    """Return the stored entity, or None."""
    sql = "SELECT object FROM entity WHERE plural = ? AND name = ?"
    text = cast("str | None", connection.value(sql, (plural, name)))
    return None if text is None else decoded(text)


def encoded(entity: Entity) -> str:
    """Return the entity as it is stored: the JSON of the wire."""
    return msgspec.json.encode(entity.to_json()).decode()


def decoded(text: str) -> Entity:
    """Return the entity that ``encoded`` wrote."""
    return Entity.model_validate(cast("JsonObject", msgspec.json.decode(text)))
