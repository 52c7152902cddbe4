"""A simulated API server for one reflector, with every fault that a watch can have."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal

import anyio

from logits_core.errors import ErrorCode
from logits_shell.kubernetes import KubernetesError, Listing, Resource, WatchEvent
from logits_shell.kubernetes.errors import SILENCE

Fault = Literal["expired", "cut", "silent", "malformed", "end", "away"]


class SimulatedListWatch:
    """Keeps objects and their history; ``fault`` breaks the running watch, or the next call."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.lists = 0
        self.watches = 0
        self.closed = 0
        self.watching = anyio.Event()
        self._history: list[WatchEvent] = []
        self._version = 1
        self._oldest = 0
        self._faults: list[Fault] = []
        self._news = anyio.Event()

    def put(self, name: str) -> None:
        self._version += 1
        known = name in self.objects
        self.objects[name] = {"metadata": {"name": name, "resourceVersion": str(self._version)}}
        self._tell("MODIFIED" if known else "ADDED", self.objects[name])

    def remove(self, name: str) -> None:
        self._version += 1
        gone = self.objects.pop(name)
        self._tell("DELETED", {"metadata": gone["metadata"] | {"resourceVersion": str(self._version)}})

    def bookmark(self) -> None:
        self._version += 1
        self._tell("BOOKMARK", {"metadata": {"resourceVersion": str(self._version)}})

    def lose(self, name: str) -> None:
        """Change an object without any event, as a broken proxy would."""
        self._version += 1
        del self.objects[name]

    def forget_history(self) -> None:
        self._oldest = self._version

    def fault(self, fault: Fault) -> None:
        self._faults.append(fault)
        self._ring()

    async def list(self, resource: Resource, **_: Any) -> Listing:
        self.lists += 1
        self._fail("away")
        return Listing(tuple(self.objects.values()), str(self._version))

    async def watch(self, resource: Resource, *, resource_version: str, **_: Any) -> AsyncGenerator[WatchEvent, None]:
        self.watches += 1
        self.watching.set()
        position = int(resource_version)
        try:
            if position < self._oldest:
                raise KubernetesError(ErrorCode.EXPIRED, "too old", http_status=410, reason="Expired")
            while True:
                news = self._news
                for event in self._after(position):
                    position = int(event.object["metadata"]["resourceVersion"])
                    yield event
                if self._faults and self._break():
                    return
                await news.wait()
        finally:
            self.closed += 1
            self.watching = anyio.Event()

    def _after(self, position: int) -> list[WatchEvent]:
        return [event for event in self._history if int(event.object["metadata"]["resourceVersion"]) > position]

    def _break(self) -> bool:
        fault = self._faults.pop(0)
        if fault == "end":
            return True
        errors = {
            "expired": KubernetesError(ErrorCode.EXPIRED, "history is gone", http_status=410),
            "cut": KubernetesError(ErrorCode.UNAVAILABLE, "cut"),
            "away": KubernetesError(ErrorCode.UNAVAILABLE, "away"),
            "silent": KubernetesError(ErrorCode.UNAVAILABLE, "silent", reason=SILENCE),
            "malformed": KubernetesError(ErrorCode.UPSTREAM_FAILED, "makes no sense"),
        }
        raise errors[fault]

    def _fail(self, fault: Fault) -> None:
        if self._faults[:1] == [fault]:
            self._faults.pop(0)
            raise KubernetesError(ErrorCode.UNAVAILABLE, "away")

    def _tell(self, kind: Any, item: dict[str, Any]) -> None:
        self._history.append(WatchEvent(kind, item))
        self._ring()

    def _ring(self) -> None:
        self._news.set()
        self._news = anyio.Event()
