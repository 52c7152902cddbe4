"""JSON merge patch (RFC 7396): the document in, the changed document out."""

from typing import Any, cast

from logits_core.entities.model import JsonObject


def merge_patch(document: JsonObject, patch: JsonObject) -> JsonObject:
    """Return ``document`` changed by ``patch``; a null removes a key, objects merge, all else replaces.

    Neither argument is changed, and the result shares no object that the patch touched.
    """
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge_patch(_object_at(merged, key), cast("JsonObject", value))
        else:
            merged[key] = value
    return merged


def _object_at(document: JsonObject, key: str) -> JsonObject:
    value: Any = document.get(key)
    return cast("JsonObject", value) if isinstance(value, dict) else {}
