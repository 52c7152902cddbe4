"""How objects go away: grace, finalizers, owners' dependents (in the background) and whole namespaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from logits_local.api.errors import bad_request, conflict, forbidden
from logits_local.api.resources import Object, ResourceType, Target
from logits_local.api.store import Change, Store
from logits_local.api.writes import Writer, is_finished

PERMANENT_NAMESPACES = frozenset({"default", "kube-system"})
_ANSWERED_WITH_OBJECT = frozenset({"pods", "services", "persistentvolumeclaims", "serviceaccounts"})
_DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a deletion asks for.

    Attributes:
        grace: seconds that a Pod gets to end; its own figure when None.
        uid: the object must have this uid, when given.
        resource_version: and this revision, when given.
        dry_run: only say what would happen.
    """

    grace: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Object, query: dict[str, str]) -> DeleteOptions:
        """The options of a DELETE request; the body wins over the query.

        Raises:
            StatusError: BadRequest naming the option that cannot be used.
        """
        given: Object = {**query, **body}
        if given.get("propagationPolicy", "Background") != "Background":
            raise bad_request("propagationPolicy: this cluster deletes dependents in the background; use Background")
        grace = given.get("gracePeriodSeconds")
        if grace is not None and not str(grace).isdigit():
            raise bad_request(f"gracePeriodSeconds: {grace!r} is no number of seconds, 0 or more")
        demands: Object = given.get("preconditions") or {}
        dry = given.get("dryRun") in ("All", ["All"])
        seconds = None if grace is None else int(grace)
        return cls(seconds, demands.get("uid"), demands.get("resourceVersion"), dry)


class Remover:
    """Deletes objects, and whatever has to go with them."""

    def __init__(self, store: Store, writer: Writer, now: Callable[[], datetime]) -> None:
        self._store = store
        self._writer = writer
        self._now = now

    def delete(self, target: Target, options: DeleteOptions) -> Object:
        """Delete one object, or begin to; returns the object or a Status.

        Raises:
            StatusError: NotFound, Conflict when a precondition does not hold, Forbidden.
        """
        live = self._writer.read(target)
        _check_preconditions(target, live, options)
        if target.kind.key == "namespaces" and target.name in PERMANENT_NAMESPACES:
            raise forbidden("namespaces", "", target.name, "this namespace may not be deleted")
        if options.dry_run:
            return _answer(target, live)
        marked = self._marked(target, live, options)
        if is_finished(marked):
            return _answer(target, self._store.remove(target.kind, marked))
        if marked == live:
            return live
        return self._store.put(target.kind, marked)

    def _marked(self, target: Target, live: Object, options: DeleteOptions) -> Object:
        """The object with the marks of its deletion."""
        metadata: Object = dict(live["metadata"])
        grace = _grace(live, options.grace) if target.kind.key == "pods" else 0
        previous = metadata.get("deletionGracePeriodSeconds")
        if previous is None or grace < previous:
            moment = self._now().astimezone(UTC).replace(microsecond=0) + timedelta(seconds=grace)
            metadata["deletionTimestamp"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionGracePeriodSeconds"] = grace
            if target.kind.counts_generation and previous is None:
                metadata["generation"] = metadata.get("generation", 0) + 1
        marked = {**live, "metadata": metadata}
        if target.kind.key == "namespaces":
            marked["status"] = {**live.get("status", {}), "phase": "Terminating"}
        return marked

    def sweep(self) -> None:
        """Collect what has lost its owners and finish terminating namespaces."""
        before = -1
        while before != self._store.revision:
            before = self._store.revision
            for kind, value in self._store.everything():
                if self._store.with_uid(value["metadata"]["uid"]) is value:
                    self._sweep_one(kind, value)

    def _sweep_one(self, kind: ResourceType, value: Object) -> None:
        if "deletionTimestamp" not in value["metadata"]:
            if self._is_garbage(value):
                self.delete(_target(kind, value), DeleteOptions())
        elif kind.key == "namespaces":
            emptied = self._empty(value["metadata"]["name"])
            if emptied and not value["metadata"].get("finalizers"):
                self._store.remove(kind, value)

    def _empty(self, namespace: str) -> bool:
        """Delete what is in a namespace where that hasn't begun; whether nothing is left."""
        for kind, value in self._store.everything():
            inside = value["metadata"].get("namespace") == namespace
            if inside and "deletionTimestamp" not in value["metadata"]:
                self.delete(_target(kind, value), DeleteOptions())
        return all(value["metadata"].get("namespace") != namespace for _, value in self._store.everything())

    def _is_garbage(self, value: Object) -> bool:
        """Whether the object has owners and none of them exists (in its namespace or in none)."""
        here = ("", value["metadata"].get("namespace", ""))
        owners = [self._store.with_uid(uid) for uid in _owner_uids(value)]
        return bool(owners) and not any(o and o["metadata"].get("namespace", "") in here for o in owners)


def needs_sweep(change: Change) -> bool:
    """Whether a change can leave something to collect."""
    metadata: Object = change.current["metadata"]
    appeared = change.previous is None and bool(metadata.get("ownerReferences"))
    return change.deleted or appeared or "deletionTimestamp" in metadata


def _owner_uids(value: Object) -> list[str]:
    owners = cast("list[dict[str, Any]]", value["metadata"].get("ownerReferences", []))
    return [owner["uid"] for owner in owners]


def _target(kind: ResourceType, value: Object) -> Target:
    return Target(kind, value["metadata"].get("namespace", ""), value["metadata"]["name"])


def _grace(pod: Object, asked: int | None) -> int:
    """Seconds that a Pod gets; none when nothing of it can be running."""
    idle = not pod["spec"].get("nodeName") or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if idle:
        return 0
    own = pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
    return own if asked is None else asked


def _check_preconditions(target: Target, live: Object, options: DeleteOptions) -> None:
    metadata = live["metadata"]
    for given, found, what in (
        (options.uid, metadata["uid"], "UID"),
        (options.resource_version, metadata["resourceVersion"], "ResourceVersion"),
    ):
        if given is not None and given != found:
            why = f"the {what} in the precondition ({given}) does not match the {what} in record ({found})"
            raise conflict(target.kind.plural, target.kind.group, target.name, why)


def _answer(target: Target, value: Object) -> Object:
    if target.kind.key in _ANSWERED_WITH_OBJECT:
        return value
    details = {"name": target.name, "kind": target.kind.plural, "uid": value["metadata"]["uid"]}
    if target.kind.group:
        details["group"] = target.kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
