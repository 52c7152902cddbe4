"""A local copy of a set of Kubernetes objects that a list and a watch keep current."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.kubernetes.changes import Changes
from logits_shell.kubernetes.client import Listing
from logits_shell.kubernetes.errors import SILENCE
from logits_shell.kubernetes.events import WatchEvent
from logits_shell.kubernetes.resources import KubernetesObject, Resource

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-scoped object is empty."""


class ListWatch(Protocol):
    """What a reflector needs of a client."""

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing:
        """All objects that match, with the version to watch from."""
        ...

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 270,
        silence_seconds: float = 90.0,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after that version."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """When a reflector gives up waiting and looks again, all in seconds.

    Attributes:
        watch: how long the server shall keep one watch open, plus up to a tenth of jitter.
        silence: the longest silence within a watch before it is opened anew. It must be shorter
            than ``watch``: a connection that died without a word is only noticed by its silence.
        relist: how long watches continue before everything is listed again, in case an event was
            lost on the way, plus up to a tenth of jitter.
        first_retry: the first wait after a failure; each further one is doubled.
        longest_retry: the longest wait between attempts.
    """

    watch: float = 270.0
    silence: float = 90.0
    relist: float = 600.0
    first_retry: float = 0.2
    longest_retry: float = 30.0


class Reflector:
    """Keeps ``objects`` equal to what the server holds; start ``run`` as a background task.

    Consumers are level-triggered: they learn that something changed and look at ``objects``.
    While the server is away the last known objects stay, and ``connected`` is False: it says
    whether the last attempt to list or watch went well.

    Args:
        client: lists and watches.
        resource: the kind.
        namespace: restricts to one namespace.
        label_selector: restricts by label.
        field_selector: restricts by field.
        changes: rung at every change; share one to wait on several reflectors at once.
        timing: patience.
        on_failure: told of every failed attempt, for logs and counters.
        jitter: numbers in [0, 1).
    """

    def __init__(
        self,
        client: ListWatch,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        changes: Changes | None = None,
        timing: Timing | None = None,
        on_failure: Callable[[LogitsError], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.resource = resource
        self.objects: dict[Key, KubernetesObject] = {}
        self.synced = anyio.Event()
        self.connected = False
        self.changes = changes or Changes()
        self._client = client
        self._scope: dict[Literal["namespace", "label_selector", "field_selector"], str | None] = {
            "namespace": namespace,
            "label_selector": label_selector,
            "field_selector": field_selector,
        }
        self._namespace = namespace
        self._timing = timing or Timing()
        self._on_failure = on_failure
        self._jitter = jitter
        self._version: str | None = None  # where the next watch starts; None asks for a list
        self._list_again_at = 0.0

    def get(self, name: str, namespace: str | None = None) -> KubernetesObject | None:
        """One object by name; the reflector's own namespace is the default."""
        return self.objects.get((namespace or self._namespace or "", name))

    def named(self) -> dict[str, KubernetesObject]:
        """All objects by name alone: for a reflector of one namespace or of cluster-scoped objects."""
        return {name: found for (_, name), found in self.objects.items()}

    async def wait_change(self, after: int) -> int:
        """Wait until ``changes.count`` is above ``after`` and return it."""
        return await self.changes.wait(after)

    async def run(self) -> None:
        """List and watch for ever; failures are retried with growing pauses."""
        failures = 0
        while True:
            started = anyio.current_time()
            try:
                if self._version is None or started >= self._list_again_at:
                    await self._list()
                await self._watch()
            except LogitsError as failure:
                # An attempt that lived for a while proves the server was well when it began.
                lived = anyio.current_time() - started > self._timing.longest_retry
                failures = 1 if lived else failures + 1
                if failure.reason != SILENCE:
                    self._note(failure)
                    await anyio.sleep(self._pause(failures, failure.retry_after))
            else:
                failures = 0
                if anyio.current_time() - started < 1.0:  # a server that ends watches at once
                    await anyio.sleep(self._timing.first_retry + self._jitter())

    def _note(self, failure: LogitsError) -> None:
        """Tell of a failure and decide whether the next attempt may continue from the last version."""
        self.connected = False
        if failure.code not in (ErrorCode.UNAVAILABLE, ErrorCode.OVER_LIMIT):
            # Expired history, a refused watch, an answer that makes no sense: only a list helps.
            self._version = None
        if self._on_failure:
            self._on_failure(failure)

    def _pause(self, failures: int, asked: float | None) -> float:
        longest = min(self._timing.longest_retry, self._timing.first_retry * 2 ** min(failures - 1, 16))
        return max(longest * (0.5 + self._jitter() / 2), min(asked or 0.0, self._timing.longest_retry))

    async def _list(self) -> None:
        listing = await self._client.list(self.resource, **self._scope)
        found = {_key(item): item for item in listing.items}
        changed = _versions(found) != _versions(self.objects)
        self.objects = found
        self._version = listing.resource_version
        self._list_again_at = anyio.current_time() + self._timing.relist * (1 + self._jitter() / 10)
        first = not self.synced.is_set()
        self.synced.set()
        if changed or first:
            self.changes.ring()

    async def _watch(self) -> None:
        events = self._client.watch(
            self.resource,
            resource_version=self._version or "",
            timeout_seconds=round(self._timing.watch * (1 + self._jitter() / 10)),
            silence_seconds=self._timing.silence,
            **self._scope,
        )
        self.connected = True
        async with aclosing(events) as stream:
            async for event in stream:
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        metadata: dict[str, Any] = event.object["metadata"]
        self._version = metadata["resourceVersion"]
        if event.type == "BOOKMARK":
            return
        key = _key(event.object)
        if event.type == "DELETED":
            known = self.objects.pop(key, None) is not None
        else:
            known = True
            self.objects[key] = event.object
        if known:
            self.changes.ring()


def _key(item: KubernetesObject) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _versions(objects: dict[Key, KubernetesObject]) -> dict[Key, str]:
    return {key: item["metadata"].get("resourceVersion", "") for key, item in objects.items()}
