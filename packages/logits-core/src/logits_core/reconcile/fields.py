"""Reads fields of JSON objects in which any part may be missing or null."""

from __future__ import annotations

from typing import Any, cast

from logits_core.entities.model import JsonObject


def value(item: JsonObject | None, *path: str) -> Any:
    """What stands at the path, or None."""
    found: Any = item
    for key in path:
        if not isinstance(found, dict):
            return None
        found = cast("JsonObject", found).get(key)
    return found


def child(item: JsonObject | None, *path: str) -> JsonObject:
    """The object at the path; an empty one when there is none."""
    found = value(item, *path)
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def children(item: JsonObject | None, *path: str) -> list[JsonObject]:
    """The objects in the list at the path."""
    found = value(item, *path)
    if not isinstance(found, (list, tuple)):
        return []
    return [cast("JsonObject", each) for each in cast("list[Any]", found) if isinstance(each, dict)]


def text(item: JsonObject | None, *path: str) -> str:
    """The text at the path; empty when there is none."""
    found = value(item, *path)
    return found if isinstance(found, str) else ""


def number(item: JsonObject | None, *path: str) -> int:
    """The whole number at the path; 0 when there is none."""
    found = value(item, *path)
    return found if isinstance(found, int) else 0
