"""Reading from the cluster: one object, lists in pages, watches and container logs."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import msgspec

from logits_local.api.errors import StatusError, bad_request, expired
from logits_local.api.podlogs import LogOptions, PodLogs, container_status
from logits_local.api.requests import Request
from logits_local.api.resources import Object, ResourceType, resource
from logits_local.api.responses import Form, Response, answer
from logits_local.api.selectors import Test, field_selector, label_selector
from logits_local.api.store import Store
from logits_local.api.watches import WatchOptions, parse_revision, watch
from logits_local.api.writes import Target

SHORTEST_WATCH_SECONDS = 1800


class Reader:
    """Answers GET requests about resources.

    Args:
        store: the cluster's objects.
        logs: container output.
        clock: monotonic seconds, for the life of watches.
        now: the time of day.
    """

    def __init__(self, store: Store, logs: PodLogs, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._store = store
        self._logs = logs
        self._clock = clock
        self._now = now

    def form(self, request: Request) -> Form:
        """The form that the client accepts."""
        accept, include = request.headers.get("accept", ""), request.query.get("includeObject", "")
        return Form.negotiate(accept, include, self._now())

    def list(self, request: Request, target: Target) -> Response:
        """A collection, whole or a page of it."""
        kind, test, store = target.kind, selection(request, target), self._store
        revision, after = self._position(request)
        items = [value for value in store.objects(kind, target.namespace) if _place(value) > after and test(value)]
        metadata: Object = {"resourceVersion": str(revision)}
        limit = request.number("limit")
        if limit and len(items) > limit:
            metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
            token = msgspec.json.encode({"rv": revision, "after": _place(items[-1])})
            metadata["continue"] = base64.urlsafe_b64encode(token).decode()
        return answer(self.form(request).many(kind.kind, kind.api_version, items, metadata))

    def _position(self, request: Request) -> tuple[int, tuple[str, str]]:
        """The revision that a list answers with, and after which object it begins.

        Pages are read from the present state but keep the first page's revision: whoever watches
        from there sees everything that changed in between.
        """
        asked = parse_revision(request.query.get("resourceVersion", ""))
        if asked > self._store.revision:
            message = f"Timeout: Too large resource version: {asked}, current: {self._store.revision}"
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            raise StatusError("Timeout", message, details={"causes": [cause], "retryAfterSeconds": 1})
        if asked and request.query.get("resourceVersionMatch") == "Exact" and asked != self._store.revision:
            raise expired(f"the resource version {asked} is no longer kept; list without it")
        if not request.query.get("continue"):
            return self._store.revision, ("", "")
        try:
            token = msgspec.json.decode(base64.urlsafe_b64decode(request.query["continue"]))
            return int(token["rv"]), (str(token["after"][0]), str(token["after"][1]))
        except (ValueError, KeyError, IndexError, TypeError):
            raise bad_request("continue key is not valid: take it from the page before") from None

    def watch(self, request: Request, target: Target) -> Response:
        """A watch on a collection."""
        test, form, kind = selection(request, target), self.form(request), target.kind
        text = request.query.get("resourceVersion", "")
        initial = request.is_set("sendInitialEvents")
        from_now = text in ("", "0") or initial
        seconds = request.number("timeoutSeconds")
        options = WatchOptions(
            target.namespace,
            test,
            None if from_now else parse_revision(text),
            request.is_set("allowWatchBookmarks"),
            initial,
            seconds or SHORTEST_WATCH_SECONDS * (1 + random.random()),  # noqa: S311 - spreads reconnects
        )
        return Response(200, self._lines(kind, options, form))

    async def _lines(self, kind: ResourceType, options: WatchOptions, form: Form) -> AsyncIterator[bytes]:
        async with aclosing(watch(self._store, kind, options, self._clock)) as events:
            async for event, value in events:
                yield form.event(kind.kind, event, value)

    def log(self, request: Request, pod: Object) -> Response:
        """A container's output."""

        def ago(seconds: int) -> str:
            return (self._now().astimezone(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

        options = LogOptions.parse(request, ago)
        if not pod["spec"].get("nodeName"):
            return Response(204, b"", "text/plain")
        path = self._logs.locate(pod, options)

        def ended() -> bool:
            return not self._is_running(pod, path.parent.name, int(path.stem))

        return Response(200, self._logs.read(path, options, ended), "text/plain")

    def _is_running(self, pod: Object, container: str, run: int) -> bool:
        metadata = pod["metadata"]
        live = self._store.get(resource("pods"), metadata["namespace"], metadata["name"])
        if live is None or live["metadata"]["uid"] != metadata["uid"]:
            return False
        found = container_status(live, container)
        return found.get("restartCount", 0) == run and "terminated" not in found.get("state", {})


def selection(request: Request, target: Target) -> Test:
    """The test of a request's selectors."""
    labels = label_selector(request.query.get("labelSelector", ""))
    fields = field_selector(request.query.get("fieldSelector", ""), target.kind)
    return lambda value: labels(value) and fields(value)


def _place(value: Object) -> tuple[str, str]:
    return value["metadata"].get("namespace", ""), value["metadata"]["name"]
