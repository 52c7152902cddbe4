"""Field ownership: what each manager wrote, and server-side apply on top of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from logits_local.api.errors import apply_conflict
from logits_local.api.fields import (
    Path,
    decode_fields,
    encode_fields,
    flatten,
    merge_applied,
    owned_by_config,
    readable,
    with_parents,
    without,
)
from logits_local.api.resources import Object
from logits_local.api.schema import FieldType, Schema


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, as managed fields name it.

    Attributes:
        manager: the field manager's name.
        operation: ``Apply`` or ``Update``.
        subresource: ``status``, ``scale`` or empty.
    """

    manager: str
    operation: str = "Update"
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """One entry of ``metadata.managedFields``."""

    writer: Writer
    api_version: str
    time: str
    paths: frozenset[Path]

    def encode(self) -> Object:
        """The entry as it is stored."""
        entry: Object = {
            "manager": self.writer.manager,
            "operation": self.writer.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode_fields(self.paths),
        }
        return entry | ({"subresource": self.writer.subresource} if self.writer.subresource else {})


def ownerships(value: Object | None) -> list[Ownership]:
    """Who owns what in an object."""
    entries: list[Object] = (value or {}).get("metadata", {}).get("managedFields", [])
    return [
        Ownership(
            Writer(entry["manager"], entry["operation"], entry.get("subresource", "")),
            entry["apiVersion"],
            entry.get("time", ""),
            frozenset(decode_fields(entry["fieldsV1"])),
        )
        for entry in entries
    ]


def record_update(schema: Schema, live: Object | None, new: Object, writer: Writer, now: str) -> None:
    """Set ``new``'s managed fields after an ordinary write: whoever changes a field owns it alone."""
    before = _own_part(flatten(schema, live, live["kind"]) if live else {}, writer)
    after = _own_part(flatten(schema, new, new["kind"]), writer)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    removed = before.keys() - after.keys()
    entries: list[Ownership] = []
    mine: frozenset[Path] = frozenset()
    since = now
    for entry in ownerships(live):
        if entry.writer == writer:
            mine, since = entry.paths, entry.time
        else:
            entries.append(replace(entry, paths=entry.paths - changed - removed))
    held = (mine | changed) - removed
    entries.append(Ownership(writer, new["apiVersion"], since if held == mine else now, held))
    _store(new, entries)


def _own_part(paths: dict[Path, Any], writer: Writer) -> dict[Path, Any]:
    """The paths that this (sub)resource writes: the status belongs to its subresource alone."""
    of_status = writer.subresource == "status"
    return {path: value for path, value in paths.items() if (path[0] == "f:status") == of_status}


def apply(schema: Schema, live: Object | None, config: Object, writer: Writer, *, force: bool, now: str) -> Object:
    """Server-side apply: the merged object with its new managed fields, before defaulting.

    Raises:
        StatusError: Conflict listing every field that another manager owns and that would change;
            an InternalError when a keyed list has two items with the same keys, as Kubernetes does.
    """
    kind = config["kind"]
    owned = owned_by_config(schema, config, kind)
    others = [entry for entry in ownerships(live) if entry.writer != writer]
    previous = next((entry for entry in ownerships(live) if entry.writer == writer), None)
    base = live or {"apiVersion": config["apiVersion"], "kind": kind, "metadata": {}}
    merged: Object = merge_applied(schema, base, config, FieldType("struct", kind))
    merged = _prune(merged, previous, owned, others)
    others = _settle_conflicts(schema, live, merged, owned, others, force=force)
    since = previous.time if previous and previous.paths == owned else now
    _store(merged, [Ownership(writer, config["apiVersion"], since, owned), *others])
    return merged


def _prune(merged: Object, previous: Ownership | None, owned: frozenset[Path], others: list[Ownership]) -> Object:
    """Take out what this manager applied before, no longer does, and nobody else owns."""
    if previous is None:
        return merged
    kept = with_parents(owned).union(*(with_parents(entry.paths) for entry in others))
    for path in sorted(with_parents(previous.paths) - kept, key=len):
        merged = without(merged, path)
    return merged


def _settle_conflicts(
    schema: Schema,
    live: Object | None,
    merged: Object,
    owned: frozenset[Path],
    others: list[Ownership],
    *,
    force: bool,
) -> list[Ownership]:
    if live is None:
        return others
    before, after = flatten(schema, live, live["kind"]), flatten(schema, merged, live["kind"])
    changed = {path for path in owned & after.keys() if path not in before or before[path] != after[path]}
    clashes = [(entry, path) for entry in others for path in sorted(entry.paths & changed)]
    if clashes and not force:
        raise apply_conflict([(_describe(entry), readable(path)) for entry, path in clashes])
    gone = before.keys() - after.keys()
    return [replace(entry, paths=entry.paths - changed - gone) for entry in others]


def _describe(entry: Ownership) -> str:
    using = f" using {entry.api_version}" if entry.writer.operation == "Update" else ""
    within = f" with subresource {entry.writer.subresource!r}" if entry.writer.subresource else ""
    return f'"{entry.writer.manager}"{within}{using}'


def _store(value: Object, entries: list[Ownership]) -> None:
    kept = [entry.encode() for entry in entries if entry.paths]
    metadata = dict(value["metadata"])
    metadata.pop("managedFields", None)
    value["metadata"] = metadata | ({"managedFields": kept} if kept else {})
