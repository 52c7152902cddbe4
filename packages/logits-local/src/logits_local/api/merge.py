"""How a patch changes an object: JSON merge patch, strategic merge patch, and merging an applied set."""

from __future__ import annotations

from typing import Any, cast

from logits_local.api.errors import bad_request
from logits_local.api.fields import item_key
from logits_local.api.resources import Object
from logits_local.api.schema import FieldType, Schema

_MISSING = object()


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged: Object = dict(cast(Object, target)) if isinstance(target, dict) else {}
    for name, value in cast(Object, patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def strategic_merge(schema: Schema, target: Any, patch: Any, kind: FieldType) -> Any:
    """Kubernetes' strategic merge: as a merge patch, but keyed lists merge item by item.

    Knows ``$patch`` (delete, replace, merge), ``$deleteFromPrimitiveList``, ``$setElementOrder`` and
    ``$retainKeys``.
    """
    if isinstance(patch, list) and kind.form == "list":
        before = cast("list[Any]", target) if isinstance(target, list) else []
        return _strategic_list(schema, before, cast("list[Any]", patch), kind)
    if not isinstance(patch, dict) or kind.form not in ("struct", "map"):
        return cast(Any, patch)
    changes = cast(Object, patch)
    if changes.get("$patch") == "replace":
        return {name: value for name, value in changes.items() if name != "$patch"}
    merged: Object = dict(cast(Object, target)) if isinstance(target, dict) else {}
    for name, value in changes.items():
        if name.startswith("$"):
            _directive(merged, name, value)
        elif value is None:
            merged.pop(name, None)
        else:
            merged[name] = strategic_merge(schema, merged.get(name), value, schema.child(kind, name))
    return merged


def _directive(merged: Object, name: str, value: Any) -> None:
    word, _, field = name.partition("/")
    if word == "$retainKeys":
        for key in set(merged) - set(value):
            del merged[key]
    elif word == "$deleteFromPrimitiveList" and isinstance(merged.get(field), list):
        merged[field] = [item for item in merged[field] if item not in value]
    elif word not in ("$setElementOrder", "$patch", "$deleteFromPrimitiveList"):
        raise bad_request(f"unknown strategic merge directive {name!r}")


def _strategic_list(schema: Schema, target: list[Any], patch: list[Any], kind: FieldType) -> list[Any]:
    if kind.keys == ("*",):
        return target + [item for item in patch if item not in target]
    if not kind.keys:
        return patch
    merge_key = kind.keys[0]
    merged: list[Any] = list(target)
    for change in cast("list[Object]", patch):
        if change.get("$patch") == "replace":
            return [item for item in patch if "$patch" not in item]
        if merge_key not in change:
            raise bad_request(f"map: {change} does not contain declared merge key: {merge_key}")
        index = next((i for i, item in enumerate(merged) if item.get(merge_key) == change[merge_key]), None)
        if change.get("$patch") == "delete":
            merged = [item for item in merged if item.get(merge_key) != change[merge_key]]
        elif index is None:
            merged.append(strategic_merge(schema, {}, change, kind.element))
        else:
            merged[index] = strategic_merge(schema, merged[index], change, kind.element)
    return merged


def merge_applied(schema: Schema, live: Any, config: Any, kind: FieldType) -> Any:
    """What server-side apply makes of the live value: the applied fields win, all others stay."""
    if live is _MISSING or kind.whole or kind.form == "scalar":
        return config
    if kind.form == "list":
        return _merge_lists(schema, cast("list[Any]", live), cast("list[Any]", config), kind)
    merged: Object = dict(cast(Object, live))
    for name, value in cast(Object, config).items():
        merged[name] = merge_applied(schema, merged.get(name, _MISSING), value, schema.child(kind, name))
    return merged


def _merge_lists(schema: Schema, live: list[Any], config: list[Any], kind: FieldType) -> list[Any]:
    """Items in the order in which they were applied; those that only live has keep their place."""
    if kind.keys == ("*",):
        return live + [item for item in config if item not in live]
    existing = {item_key(item, kind.keys): item for item in live}
    applied = {item_key(item, kind.keys): item for item in config}
    pending = list(applied)
    merged: list[Any] = []
    for key, item in existing.items():
        if key not in applied:
            merged.append(item)
            continue
        while key in pending:
            turn = pending.pop(0)
            before = existing.get(turn, _MISSING)
            merged.append(merge_applied(schema, before, applied[turn], kind.element))
    return merged + [applied[key] for key in pending]
