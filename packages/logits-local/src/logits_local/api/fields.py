"""Sets of field paths: who owns what in an object, in the FieldsV1 form of managed fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from logits_local.api.errors import StatusError
from logits_local.api.resources import Object
from logits_local.api.schema import FieldType, Schema

Path = tuple[str, ...]
"""Path elements as in FieldsV1: ``f:name``, ``k:{"name":"web"}`` (list item), ``v:"x"`` (set member)."""

KEY_DEFAULTS = {"protocol": "TCP"}
"""Values of list keys that an item may leave out."""

_EXISTS = object()
_MISSING = object()
_UNOWNED = frozenset(
    {("f:apiVersion",), ("f:kind",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ]
    }
)


def item_key(item: Object, keys: tuple[str, ...]) -> str:
    """The path element of an item in a list that tells items apart by ``keys``."""
    named = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(keys)}
    return "k:" + msgspec.json.encode(named).decode()


def leaves(schema: Schema, value: Any, kind: FieldType, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every ownable path in a value, with the value there."""
    if path in _UNOWNED:
        return
    if kind.whole or kind.form == "scalar" or (kind.form != "list" and not value):
        yield path, value
    elif kind.form == "list":
        yield from _items(schema, cast("list[Any]", value), kind, path)
    else:
        for name, entry in cast(Object, value).items():
            yield from leaves(schema, entry, schema.child(kind, name), (*path, f"f:{name}"))


def _items(schema: Schema, items: list[Any], kind: FieldType, path: Path) -> Iterator[tuple[Path, Any]]:
    if kind.keys == ("*",):
        for item in items:
            yield (*path, "v:" + msgspec.json.encode(item).decode()), item
        return
    for item in items:
        below = (*path, item_key(item, kind.keys))
        yield below, _EXISTS
        yield from leaves(schema, item, kind.element, below)


def flatten(schema: Schema, value: Object, kind: str) -> dict[Path, Any]:
    """All ownable paths of an object with their values."""
    return dict(leaves(schema, value, FieldType("struct", kind)))


def owned_by_config(schema: Schema, config: Object, kind: str) -> frozenset[Path]:
    """The paths that somebody who applies ``config`` owns.

    Raises:
        StatusError: InternalError, as in Kubernetes, when two items of a keyed list have the same keys.
    """
    seen: set[Path] = set()
    for path, value in leaves(schema, config, FieldType("struct", kind)):
        if value is _EXISTS and path in seen:
            twice = f"{readable(path[:-1])}: duplicate entries for key {readable(path[-1:])}"
            raise StatusError("InternalError", f"failed to create typed patch object: {twice}", say=False)
        seen.add(path)
    return frozenset(seen)


def with_parents(paths: Iterable[Path]) -> set[Path]:
    """The paths and all that lie above them."""
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def encode_fields(paths: Iterable[Path]) -> Object:
    """The FieldsV1 object of a set of paths."""
    root: Object = {}
    members = sorted(paths)
    for path in members:
        node = root
        for element in path:
            node = cast(Object, node.setdefault(element, {}))
    for path in members:
        node = root
        for element in path:
            node = cast(Object, node[element])
        if node:
            node["."] = {}
    return root


def decode_fields(node: Object, path: Path = ()) -> Iterator[Path]:
    """The paths of a FieldsV1 object."""
    if (not node and path) or "." in node:
        yield path
    for element, below in node.items():
        if element != ".":
            yield from decode_fields(below, (*path, element))


def readable(path: Path) -> str:
    """A path as people write it: ``.spec.containers[name="web"].image``."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = cast(Object, msgspec.json.decode(rest))
            text += "[" + ",".join(f"{key}={msgspec.json.encode(v).decode()}" for key, v in keys.items()) + "]"
        else:
            text += f"[={rest}]"
    return text


def _matches(item: Any, element: str) -> bool:
    kind, _, rest = element.partition(":")
    wanted = msgspec.json.decode(rest)
    if kind == "v":
        return bool(item == wanted)
    keys = cast(Object, wanted)
    return isinstance(item, dict) and all(
        cast(Object, item).get(key, KEY_DEFAULTS.get(key)) == value for key, value in keys.items()
    )


def without(value: Any, path: Path) -> Any:
    """A copy of ``value`` with what lies at ``path`` taken out; the same value when nothing does."""
    element, rest = path[0], path[1:]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if not rest:
            return [item for item in items if not _matches(item, element)]
        return [without(item, rest) if _matches(item, element) else item for item in items]
    if not isinstance(value, dict) or element[2:] not in value:
        return cast(Any, value)
    entries = dict(cast(Object, value))
    if rest:
        entries[element[2:]] = without(entries[element[2:]], rest)
    else:
        del entries[element[2:]]
    return entries


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
