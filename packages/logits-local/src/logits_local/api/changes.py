"""Changing the cluster: which write a POST, PUT, PATCH or DELETE request means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

from logits_local.api.errors import Cause, StatusError, bad_request, conflict, invalid
from logits_local.api.jsonpatch import json_patch
from logits_local.api.merge import merge_patch, strategic_merge
from logits_local.api.reads import selection
from logits_local.api.removal import DeleteOptions, Remover
from logits_local.api.requests import Request
from logits_local.api.resources import Object
from logits_local.api.schema import FieldType
from logits_local.api.store import Store
from logits_local.api.tokens import TokenIssuer
from logits_local.api.writes import Sources, Target, WriteOptions, Writer, Written

JSON_PATCH, MERGE, STRATEGIC, APPLY = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


class Changer:
    """Answers requests that write."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        remover: Remover,
        issuer: TokenIssuer,
        sources: Sources,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._writer = writer
        self._remover = remover
        self._issuer = issuer
        self._sources = sources
        self._now = now

    def post(self, request: Request, target: Target) -> Written:
        """Create an object, bind a Pod to a node, or issue a token."""
        if target.subresource == "token":
            account = self._writer.read(target)
            issued = self._issuer.issue(account, request.decode(), self._now(), self._sources.uid())
            return Written(issued, created=True)
        if target.subresource == "binding":
            self._bind(target, request.decode(), request.write_options())
            success: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
            return Written(success, created=True)
        return self._writer.create(target, request.decode(), request.write_options())

    def put(self, request: Request, target: Target) -> Written:
        """Replace an object or its status or scale."""
        body, options = request.decode(), request.write_options()
        if target.subresource == "scale":
            return self._scale(target, lambda _: body, options)
        return self._writer.replace(target, body, options)

    def patch(self, request: Request, target: Target) -> Written:
        """Merge a patch into an object, or apply one."""
        kind, options = request.content_type, request.write_options()
        if kind == APPLY:
            body = request.decode_patch()
            if not request.query.get("fieldManager"):
                cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
                raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
            return self._writer.apply(target, body, options)
        change = self._patch_function(request)
        if target.subresource == "scale":
            return self._scale(target, change, options)
        return self._writer.patch(target, change, options)

    def _patch_function(self, request: Request) -> Callable[[Object], Object]:
        """What the patch does to a live object."""
        kind = request.content_type
        if kind == JSON_PATCH:
            operations = request.decode_any()
            return lambda live: json_patch(live, operations)
        if kind not in (MERGE, STRATEGIC):
            accepted = ", ".join((JSON_PATCH, MERGE, STRATEGIC, APPLY))
            message = f"415: Unsupported Media Type: patches are taken as {accepted}"
            raise StatusError("UnsupportedMediaType", message, details={})
        body, schema = request.decode_patch(), self._writer.schema
        if kind == MERGE:
            return lambda live: merge_patch(live, body)
        return lambda live: strategic_merge(schema, live, body, FieldType("struct", live["kind"]))

    def delete(self, request: Request, target: Target) -> Written:
        """Delete an object, or all that are selected."""
        options = DeleteOptions.parse(request.decode() if request.body else {}, request.query)
        if target.name:
            return Written(self._remover.delete(target, options))
        test = selection(request, target)
        items = [value for value in self._store.objects(target.kind, target.namespace) if test(value)]
        for value in items:
            metadata = value["metadata"]
            self._remover.delete(Target(target.kind, metadata.get("namespace", ""), metadata["name"]), options)
        head = {"kind": f"{target.kind.kind}List", "apiVersion": target.kind.api_version}
        metadata = {"resourceVersion": str(self._store.revision)}
        return Written({**head, "metadata": metadata, "items": items})

    def _bind(self, target: Target, body: Object, options: WriteOptions) -> None:
        """Assign a Pod to a node: once, as a scheduler does."""
        node = str(_section(body, "target").get("name", ""))
        if not node:
            cause = Cause("FieldValueRequired", "Required value", "target.name")
            raise invalid("Binding", "", target.name, [cause])
        live = self._writer.read(target)
        taken = live["spec"].get("nodeName")
        if taken:
            why = f'pod {target.name} is already assigned to node "{taken}"'
            raise conflict("pods/binding", "", target.name, why)
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._sources.now()}
        conditions = [held for held in live["status"].get("conditions", []) if held["type"] != "PodScheduled"]
        status = {**live["status"], "conditions": [scheduled, *conditions]}
        if not options.dry_run:
            bound: Object = {**live, "spec": {**live["spec"], "nodeName": node}, "status": status}
            self._store.put(target.kind, bound)

    def _scale(self, target: Target, change: Callable[[Object], Object], options: WriteOptions) -> Written:
        live = self._writer.read(target)
        wanted = change(scale(live))
        replicas = _section(wanted, "spec").get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise bad_request("spec.replicas is no whole number")
        revision = _section(wanted, "metadata").get("resourceVersion", "")
        body: Object = {
            **live,
            "spec": {**live["spec"], "replicas": replicas},
            "metadata": {**live["metadata"], "resourceVersion": revision},
        }
        return Written(scale(self._writer.patch(target, lambda _: body, options).value))


def _section(body: Object, name: str) -> Object:
    """A part of a body that is an object, empty when it isn't there."""
    found = body.get(name)
    return cast(Object, found) if isinstance(found, dict) else {}


def scale(workload: Object) -> Object:
    """The Scale of a Deployment or ReplicaSet."""
    metadata, spec = workload["metadata"], workload["spec"]
    labels = spec.get("selector", {}).get("matchLabels", {})
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {
            "replicas": workload.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in labels.items()),
        },
    }
