"""Changing the cluster: which write a POST, PUT, PATCH or DELETE request means."""

from __future__ import annotations

from logits_core.entities.merge_patch import merge_patch
from logits_local.api.errors import Cause, conflict, invalid
from logits_local.api.removal import DeleteOptions, Remover
from logits_local.api.requests import APPLY, MERGE, Request
from logits_local.api.resources import Object, Target
from logits_local.api.store import Store
from logits_local.api.tokens import TokenIssuer
from logits_local.api.writes import Sources, Writer, Written


class Changer:
    """Answers requests that write."""

    def __init__(self, store: Store, writer: Writer, remover: Remover, issuer: TokenIssuer, sources: Sources) -> None:
        self._store = store
        self._writer = writer
        self._remover = remover
        self._issuer = issuer
        self._sources = sources

    def post(self, request: Request, target: Target) -> Written:
        """Create an object, bind a Pod to a node, or issue a token."""
        if target.subresource == "token":
            account = self._writer.read(target)
            return Written(self._issuer.issue(account, request.decode(), self._sources.uid()), created=True)
        if target.subresource == "binding":
            self._bind(target, request.decode())
            success: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
            return Written(success, created=True)
        return self._writer.create(target, request.decode(), request.write_options())

    def put(self, request: Request, target: Target) -> Written:
        """Replace an object or its status."""
        body = request.decode()
        return self._writer.patch(target, lambda _: body, request.write_options())

    def patch(self, request: Request, target: Target) -> Written:
        """Merge a patch into an object, or apply one."""
        body, options = request.decode(MERGE, APPLY), request.write_options()
        if request.content_type == MERGE:
            return self._writer.patch(target, lambda live: merge_patch(live, body), options)
        if not request.query.get("fieldManager"):
            cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
            raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
        return self._writer.apply(target, body, options)

    def delete(self, request: Request, target: Target) -> Written:
        """Delete an object."""
        options = DeleteOptions.parse(request.decode() if request.body else {}, request.query)
        return Written(self._remover.delete(target, options))

    def _bind(self, target: Target, body: Object) -> None:
        """Assign a Pod to a node: once, as a scheduler does."""
        wanted: Object = body.get("target") or {}
        node = str(wanted.get("name", ""))
        if not node:
            raise invalid("Binding", "", target.name, [Cause("FieldValueRequired", "Required value", "target.name")])
        live = self._writer.read(target)
        taken = live["spec"].get("nodeName")
        if taken:
            why = f'pod {target.name} is already assigned to node "{taken}"'
            raise conflict("pods/binding", "", target.name, why)
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._sources.now()}
        conditions = [held for held in live["status"].get("conditions", []) if held["type"] != "PodScheduled"]
        status = {**live["status"], "conditions": [scheduled, *conditions]}
        self._store.put(target.kind, {**live, "spec": {**live["spec"], "nodeName": node}, "status": status})
