"""Reading from the cluster: one object, lists in pages, watches and container logs."""

from __future__ import annotations

import base64
import random
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
from litestar.response.base import ASGIResponse

from logits_local.api.errors import StatusError, bad_request
from logits_local.api.podlogs import LogOptions, PodLogs, container_status
from logits_local.api.requests import Request
from logits_local.api.resources import Object, ResourceType, Target
from logits_local.api.responses import Form, answer, streamed, text
from logits_local.api.selectors import Test, field_selector, label_selector
from logits_local.api.store import Store
from logits_local.api.watches import WatchOptions, watch
from logits_shell.streaming import Chunks

SHORTEST_WATCH_SECONDS = 1800


class Reader:
    """Answers GET requests about resources.

    Args:
        store: the cluster's objects.
        logs: container output.
    """

    def __init__(self, store: Store, logs: PodLogs) -> None:
        self._store = store
        self._logs = logs

    def form(self, request: Request) -> Form:
        """The form that the client accepts."""
        return Form.negotiate(request.headers.get("accept", ""), datetime.now(UTC))

    def list(self, request: Request, target: Target) -> ASGIResponse:
        """A collection, whole or a page of it."""
        kind, test, store = target.kind, selection(request, target), self._store
        revision, after = self._position(request)
        items = [value for value in store.objects(kind, target.namespace) if _place(value) > after and test(value)]
        metadata: Object = {"resourceVersion": str(revision)}
        limit = request.number("limit")
        if limit and len(items) > limit:
            items = items[:limit]
            token = msgspec.json.encode((revision, _place(items[-1])))
            metadata["continue"] = base64.urlsafe_b64encode(token).decode()
        return answer(self.form(request).many(kind.kind, kind.api_version, items, metadata))

    def _position(self, request: Request) -> tuple[int, tuple[str, str]]:
        """The revision that a list answers with, and after which object it begins.

        Pages are read from the present state but keep the first page's revision: whoever watches
        from there sees everything that changed in between.
        """
        asked = request.number("resourceVersion") or 0
        if asked > self._store.revision:
            message = f"Timeout: Too large resource version: {asked}, current: {self._store.revision}"
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            raise StatusError("Timeout", message, details={"causes": [cause], "retryAfterSeconds": 1})
        if not request.query.get("continue"):
            return self._store.revision, ("", "")
        try:
            token = base64.urlsafe_b64decode(request.query["continue"])
            return msgspec.json.decode(token, type=tuple[int, tuple[str, str]])
        except ValueError:
            raise bad_request("continue key is not valid: take it from the page before") from None

    def watch(self, request: Request, target: Target) -> ASGIResponse:
        """A watch on a collection."""
        initial = request.is_set("sendInitialEvents")
        revision = None if initial else request.number("resourceVersion") or None
        seconds = request.number("timeoutSeconds")
        options = WatchOptions(
            target.namespace,
            selection(request, target),
            revision,
            request.is_set("allowWatchBookmarks"),
            initial,
            seconds or SHORTEST_WATCH_SECONDS * (1 + random.random()),  # noqa: S311 - spreads reconnects
        )
        return streamed(self._lines(target.kind, options, self.form(request)))

    async def _lines(self, kind: ResourceType, options: WatchOptions, form: Form) -> Chunks:
        async with aclosing(watch(self._store, kind, options)) as events:
            async for event, value in events:
                yield form.event(kind.kind, event, value)

    def log(self, request: Request, pod: Object) -> ASGIResponse:
        """A container's output."""
        options = LogOptions.parse(request)
        if not pod["spec"].get("nodeName"):
            return text("", 204)
        path = self._logs.locate(pod, options)

        def ended() -> bool:
            return not self._is_running(pod, path.parent.name, int(path.stem))

        return streamed(self._logs.read(path, options, ended), "text/plain")

    def _is_running(self, pod: Object, container: str, run: int) -> bool:
        live = self._store.with_uid(pod["metadata"]["uid"])
        found = container_status(live, container) if live else {}
        return live is not None and found.get("restartCount", 0) == run and "terminated" not in found.get("state", {})


def selection(request: Request, target: Target) -> Test:
    """The test of a request's selectors."""
    labels = label_selector(request.query.get("labelSelector", ""))
    fields = field_selector(request.query.get("fieldSelector", ""), target.kind)
    return lambda value: labels(value) and fields(value)


def _place(value: Object) -> tuple[str, str]:
    return value["metadata"].get("namespace", ""), value["metadata"]["name"]
