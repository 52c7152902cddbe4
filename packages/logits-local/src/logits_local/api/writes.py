"""How objects come to be and change: decode, merge, default, admit, validate, record owners, commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from logits_local.api import apply as ownership
from logits_local.api.admission import admit_creation, admit_update, require_namespace
from logits_local.api.defaults import fill_defaults
from logits_local.api.errors import (
    StatusError,
    already_exists,
    bad_request,
    conflict,
    not_found,
)
from logits_local.api.resources import Object, ResourceType, Target
from logits_local.api.schema import Schema
from logits_local.api.store import Store
from logits_local.api.validation import validate

_GENERATED_SUFFIX = 5
_LONGEST_PREFIX = 58
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "generateName",
    "resourceVersion",
)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The query parameters of a write.

    Attributes:
        manager: the field manager.
        dry_run: do everything but commit.
        strictness: ``Strict``, ``Warn`` or ``Ignore`` unknown fields.
        force: take over fields of other managers (server-side apply).
    """

    manager: str
    dry_run: bool = False
    strictness: str = "Warn"
    force: bool = False


@dataclass(slots=True)
class Written:
    """What a write did."""

    value: Object
    created: bool = False
    warnings: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Sources:
    """Where time and randomness come from.

    Attributes:
        now: the time as RFC 3339 text in UTC.
        uid: a new uid.
        letters: that many random letters.
    """

    now: Callable[[], str]
    uid: Callable[[], str]
    letters: Callable[[int], str]


class Writer:
    """Creates, replaces, patches and applies objects."""

    def __init__(self, store: Store, schema: Schema, sources: Sources) -> None:
        self._store = store
        self.schema = schema
        self._sources = sources

    def read(self, target: Target) -> Object:
        """The live object.

        Raises:
            StatusError: NotFound.
        """
        found = self._store.get(target.kind, target.namespace, target.name)
        if found is None:
            raise not_found(target.kind.plural, target.kind.group, target.name)
        return found

    def create(self, target: Target, body: Object, options: WriteOptions) -> Written:
        """Create an object; a name is made up from ``generateName`` when there is none."""
        value, warnings = self._decode(target, body, options)
        if value["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        return Written(self._create(target, value, options, ownership.Writer(options.manager)), True, warnings)

    def patch(self, target: Target, change: Callable[[Object], Object], options: WriteOptions) -> Written:
        """Change an object by a function of its live state; a stale version or another uid conflicts."""
        live = self.read(target)
        value, warnings = self._decode(target, change(live), options)
        writer = ownership.Writer(options.manager, "Update", target.subresource)
        return Written(self._update(target, live, value, options, writer), False, warnings)

    def apply(self, target: Target, config: Object, options: WriteOptions) -> Written:
        """Server-side apply: create the object or merge the applied fields into it."""
        live = self._store.get(target.kind, target.namespace, target.name)
        if live is None and target.subresource:
            raise not_found(target.kind.plural, target.kind.group, target.name)
        value, unknown = self._typed(target, config)
        if unknown:
            message = f"failed to create typed patch object: .{unknown[0]}: field not declared in schema"
            raise StatusError("InternalError", message, say=False)
        if "managedFields" in value["metadata"]:
            raise bad_request("metadata.managedFields must be nil")
        value["metadata"].setdefault("name", target.name)
        if target.kind.has_status:
            value = _part(value, target.subresource)
        writer = ownership.Writer(options.manager, "Apply", target.subresource)
        now = self._sources.now()
        merged = ownership.apply(self.schema, live, value, writer, force=options.force, now=now)
        fresh, _ = self.schema.check(merged, target.kind.kind)
        if live is None:
            return Written(self._create(target, fresh, options, writer), True)
        return Written(self._update(target, live, fresh, options, writer))

    def _typed(self, target: Target, body: Object) -> tuple[Object, list[str]]:
        """The body as an object of the target's type, with the paths of fields that this doesn't have."""
        kind = target.kind
        found = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind)
        if found != (kind.api_version, kind.kind):
            wanted = f"{kind.kind} in {kind.api_version}"
            raise bad_request(f"{found[1]} in version {found[0]!r} cannot be handled as a {wanted}")
        value, unknown = self.schema.check(body | {"apiVersion": found[0], "kind": found[1]}, kind.kind)
        metadata: Object = value.setdefault("metadata", {})
        for given, wanted, what in (
            (metadata.get("name"), target.name, "name"),
            (metadata.get("namespace"), target.namespace, "namespace"),
        ):
            if given and wanted and given != wanted:
                what_of = f"the {what} of the object ({given})"
                raise bad_request(f"{what_of} does not match the {what} on the URL ({wanted})")
        if kind.namespaced:
            metadata["namespace"] = target.namespace
        else:
            metadata.pop("namespace", None)
        return value, unknown

    def _decode(self, target: Target, body: Object, options: WriteOptions) -> tuple[Object, list[str]]:
        value, unknown = self._typed(target, body)
        named = [f'unknown field "{path}"' for path in unknown]
        if named and options.strictness == "Strict":
            kind = target.kind.kind
            wrong = f'{kind} in version "v1" cannot be handled as a {kind}: strict decoding error: '
            raise bad_request(wrong + ", ".join(named))
        return value, named if options.strictness == "Warn" else []

    def _create(self, target: Target, value: Object, options: WriteOptions, writer: ownership.Writer) -> Object:
        kind, metadata = target.kind, cast(Object, value["metadata"])
        if not metadata.get("name") and (prefix := metadata.get("generateName")):
            metadata["name"] = prefix[:_LONGEST_PREFIX] + self._sources.letters(_GENERATED_SUFFIX)
        require_namespace(self._store, kind, target.namespace, metadata.get("name", ""))
        for name in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            metadata.pop(name, None)
        metadata |= {"uid": self._sources.uid(), "creationTimestamp": self._sources.now()}
        if kind.counts_generation:
            metadata["generation"] = 1
        if kind.has_status and kind.key != "nodes":  # a kubelet registers its node together with its status
            value.pop("status", None)
        fill_defaults(value)
        admit_creation(self._store, kind, value, self._sources.letters(_GENERATED_SUFFIX))
        validate(kind, value)
        if self._store.get(kind, target.namespace, metadata["name"]) is not None:
            raise already_exists(kind.plural, kind.group, metadata["name"])
        if writer.operation == "Update":
            ownership.record_update(self.schema, None, value, writer, self._sources.now())
        return value if options.dry_run else self._store.put(kind, value)

    def _update(
        self, target: Target, live: Object, value: Object, options: WriteOptions, writer: ownership.Writer
    ) -> Object:
        kind, metadata, old = target.kind, cast(Object, value["metadata"]), cast(Object, live["metadata"])
        if metadata.get("resourceVersion", "") not in ("", old["resourceVersion"]):
            raise conflict(kind.plural, kind.group, target.name)
        if metadata.get("uid", old["uid"]) != old["uid"]:
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {old['uid']}"
            raise conflict(kind.plural, kind.group, target.name, why)
        managed = metadata.get("managedFields")
        given = {name: part for name, part in metadata.items() if name not in _SERVER_OWNED}
        kept = {name: old[name] for name in _SERVER_OWNED if name in old}
        value = _rebuilt(kind, target.subresource, live, {**value, "metadata": {**given, **kept, "name": target.name}})
        fill_defaults(value)
        admit_update(kind, live, value)
        validate(kind, value, live)
        if kind.counts_generation and value.get("spec") != live.get("spec"):
            value["metadata"]["generation"] = old.get("generation", 0) + 1
        if writer.operation == "Update":
            ownership.record_update(self.schema, live, value, writer, self._sources.now())
        else:
            value["metadata"].pop("managedFields", None)
            value["metadata"] |= {"managedFields": managed} if managed else {}
        if value == live or options.dry_run:
            return value
        return (self._store.remove if is_finished(value) else self._store.put)(kind, value)


def is_finished(value: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for."""
    metadata = value["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    return metadata.get("deletionGracePeriodSeconds", 0) == 0 and not value.get("spec", {}).get("finalizers")


def _part(value: Object, subresource: str) -> Object:
    """What of an applied object a (sub)resource looks at."""
    if subresource == "status":
        metadata = {name: value["metadata"][name] for name in ("name", "namespace") if name in value["metadata"]}
        kept = {name: value[name] for name in ("apiVersion", "kind", "status") if name in value}
        return {**kept, "metadata": metadata}
    return {name: part for name, part in value.items() if name != "status"}


def _rebuilt(kind: ResourceType, subresource: str, live: Object, value: Object) -> Object:
    """The new object: a status write changes nothing but the status, an ordinary one all but that."""
    if subresource == "status":
        kept = {**live, "metadata": dict(live["metadata"])}
        kept.pop("status", None)
        return kept | ({"status": value["status"]} if "status" in value else {})
    if kind.has_status:
        value.pop("status", None)
        if "status" in live:
            value["status"] = live["status"]
    return value
