"""What one write does to one entity: the rules of create, replace, patch, status and delete.

``decide`` is the whole of the Entity DB's semantics; stores only keep what it returns. It never changes its
arguments, and a refusal (a ``LogitsError``) means that nothing is to be changed.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from logits_core.entities.kinds import Kind, checked_metadata, checked_spec, checked_status
from logits_core.entities.merge_patch import merge_patch
from logits_core.entities.model import Entity, JsonObject, Metadata
from logits_core.errors import ErrorCode, LogitsError


class Verb(StrEnum):
    """What a client can ask to be done with one entity."""

    CREATE = "create"
    REPLACE = "replace"
    PATCH = "patch"
    REPLACE_STATUS = "replace_status"
    PATCH_STATUS = "patch_status"
    DELETE = "delete"


class Effect(StrEnum):
    """What the store has to do."""

    NOTHING = "nothing"
    SAVE = "save"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request to change one entity, with everything that isn't in the store already.

    Attributes:
        verb: what to do.
        kind: the kind addressed by the path.
        name: the name addressed by the path; for a create, the one in the body.
        body: the decoded request body; empty for a delete.
        resource_version: change only this revision of the entity, where the client says so outside the body.
        idempotency_key: the client's key for a create; a repetition gets the first answer.
        now: RFC 3339 UTC time of the request.
        uid: identifier for the entity, should the write create one.
    """

    verb: Verb
    kind: Kind
    name: str
    body: JsonObject
    now: str
    uid: str = ""
    resource_version: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The entity that answers a write, and what the store has to do with it."""

    effect: Effect
    entity: Entity


def decide(current: Entity | None, write: Write) -> Decision:
    """Return what ``write`` makes of ``current`` (None when no entity has the name).

    Raises:
        LogitsError: ``NOT_FOUND``, ``ALREADY_EXISTS``, ``CONFLICT`` or ``INVALID``; nothing is to be changed.
    """
    if write.verb is Verb.CREATE:
        return _create(current, write)
    if current is None:
        raise not_found(write.kind, write.name)
    match write.verb:
        case Verb.DELETE:
            return _delete(current, write)
        case Verb.REPLACE:
            return _settled(current, _replaced(current, write, write.body, required=True))
        case Verb.PATCH:
            body = merge_patch(current.to_json(), _patch_of(write, "spec"))
            return _settled(current, _replaced(current, write, body, required=False))
        case Verb.REPLACE_STATUS:
            return _settled(current, _status_replaced(current, write, write.body, required=True))
        case Verb.PATCH_STATUS:
            body = merge_patch(current.to_json(), _patch_of(write, "status"))
            return _settled(current, _status_replaced(current, write, body, required=False))


def name_in(body: JsonObject) -> str:
    """Return the name that a submission gives its entity; empty when it gives none that is text."""
    metadata: Any = body.get("metadata")
    name: Any = cast("JsonObject", metadata).get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def stamped(entity: Entity, revision: int) -> Entity:
    """Return ``entity`` carrying the revision that its change committed at."""
    metadata = entity.metadata.model_copy(update={"resource_version": str(revision)})
    return entity.model_copy(update={"metadata": metadata})


def not_found(kind: Kind, name: str) -> LogitsError:
    """Return the refusal for a name that no entity has."""
    return LogitsError(
        ErrorCode.NOT_FOUND,
        f"There is no {kind.name} {name[:80]!r}. List the existing ones with GET /entities/{kind.plural}.",
        field="metadata.name",
    )


def _create(current: Entity | None, write: Write) -> Decision:
    metadata = checked_metadata(_envelope(write, write.body))
    if metadata.resource_version:
        raise _invalid("metadata.resourceVersion", "must be absent from a new entity. Remove it")
    spec = checked_spec(write.kind, _object(write.body, "spec"))
    if current is not None:
        raise LogitsError(
            ErrorCode.ALREADY_EXISTS,
            f"{write.kind.name} {write.name!r} exists already. Choose another name, or replace it with PUT.",
            field="metadata.name",
        )
    fresh = Metadata(
        name=metadata.name,
        uid=write.uid,
        generation=1,
        creation_timestamp=write.now,
        labels=metadata.labels,
        annotations=metadata.annotations,
        finalizers=metadata.finalizers,
    )
    return Decision(Effect.SAVE, Entity(kind=write.kind.name, metadata=fresh, spec=spec, status={}))


def _replaced(current: Entity, write: Write, body: JsonObject, *, required: bool) -> Entity:
    submitted = _for_current(current, write, body, required=required)
    added = set(submitted.finalizers) - set(current.metadata.finalizers)
    if current.metadata.deletion_timestamp and added:
        raise _invalid("metadata.finalizers", "cannot grow during a deletion. Remove the new ones")
    spec = checked_spec(write.kind, _object(body, "spec"))
    metadata = current.metadata.model_copy(
        update={
            "labels": submitted.labels,
            "annotations": submitted.annotations,
            "finalizers": submitted.finalizers,
            "generation": current.metadata.generation + (spec != current.spec),
        }
    )
    return current.model_copy(update={"metadata": metadata, "spec": spec})


def _status_replaced(current: Entity, write: Write, body: JsonObject, *, required: bool) -> Entity:
    _for_current(current, write, body, required=required)
    return current.model_copy(update={"status": checked_status(write.kind, _object(body, "status"))})


def _settled(current: Entity, changed: Entity) -> Decision:
    """Choose the effect: nothing for an equal entity, removal once a deletion's last finalizer is gone."""
    if changed.metadata.deletion_timestamp and not changed.metadata.finalizers:
        return Decision(Effect.REMOVE, changed)
    return Decision(Effect.NOTHING if changed == current else Effect.SAVE, changed)


def _delete(current: Entity, write: Write) -> Decision:
    _match_version(current, write.resource_version)
    if not current.metadata.finalizers:
        return Decision(Effect.REMOVE, current)
    if current.metadata.deletion_timestamp:
        return Decision(Effect.NOTHING, current)
    metadata = current.metadata.model_copy(update={"deletion_timestamp": write.now})
    return Decision(Effect.SAVE, current.model_copy(update={"metadata": metadata}))


def _for_current(current: Entity, write: Write, body: JsonObject, *, required: bool) -> Metadata:
    """Check that the submission means ``current``, and return its metadata."""
    submitted = checked_metadata({"name": write.name, **_envelope(write, body)})
    if submitted.name != current.name:
        raise _invalid("metadata.name", f"must be {current.name!r} as in the path. Names cannot change")
    if submitted.uid and submitted.uid != current.metadata.uid:
        raise LogitsError(
            ErrorCode.CONFLICT,
            f"{current.kind} {current.name!r} was deleted and created anew. Read it again and repeat the change.",
            field="metadata.uid",
        )
    if required and not submitted.resource_version:
        raise _invalid("metadata.resourceVersion", "is required. Send the one that you read")
    _match_version(current, write.resource_version or submitted.resource_version)
    return submitted


def _match_version(current: Entity, expected: str | None) -> None:
    if expected and expected != current.metadata.resource_version:
        raise LogitsError(
            ErrorCode.CONFLICT,
            f"{current.kind} {current.name!r} has changed since resourceVersion {expected[:20]}. "
            "Read it again and repeat the change.",
            field="metadata.resourceVersion",
        )


def _envelope(write: Write, body: JsonObject) -> JsonObject:
    """Check the top level of a submission and return its metadata object."""
    for key in body:
        if key not in {"kind", "metadata", "spec", "status"}:
            raise _invalid(key[:80], "is not kind, metadata, spec or status. Remove it")
    if body.get("kind", write.kind.name) != write.kind.name:
        raise _invalid("kind", f"must be {write.kind.name!r} in this path. Change one of them")
    return _object(body, "metadata")


def _patch_of(write: Write, part: str) -> JsonObject:
    """Return what of a merge patch counts: metadata, and the part that the path addresses.

    The resource version of a patch is a precondition, so the current one must not stand in for it.
    """
    _envelope(write, write.body)
    metadata = {"resourceVersion": None, **_object(write.body, "metadata")}
    return {"metadata": metadata, part: _object(write.body, part)}


def _object(body: JsonObject, key: str) -> JsonObject:
    value: Any = body.get(key, {})
    if not isinstance(value, dict):
        raise _invalid(key, "must be a JSON object. Change it")
    return cast("JsonObject", value)


def _invalid(field: str, problem: str) -> LogitsError:
    return LogitsError(ErrorCode.INVALID, f"{field} {problem}.", field=field)
