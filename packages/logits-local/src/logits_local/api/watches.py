"""Watching a resource: the changes after a revision, bookmarks, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from logits_local.api.errors import StatusError
from logits_local.api.resources import Object, ResourceType
from logits_local.api.selectors import Test
from logits_local.api.store import Change, Store

BOOKMARK_SECONDS = 60.0
BOOKMARK_BEFORE_END_SECONDS = 2.0
_SOON = 0.05
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Event = tuple[str, Object]
"""Type (ADDED, MODIFIED, DELETED, BOOKMARK, ERROR) and object."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a watch asks for.

    Attributes:
        namespace: empty for all.
        test: selectors.
        revision: watch changes after this one; None to begin with what exists.
        bookmarks: send revisions while nothing happens.
        initial_end: mark the end of what existed with a bookmark.
        seconds: how long the watch lasts.
    """

    namespace: str
    test: Test
    revision: int | None
    bookmarks: bool
    initial_end: bool
    seconds: float


def filtered(change: Change, options: WatchOptions) -> Event | None:
    """The event that a watch sees of a change; selectors make entering ADDED and leaving DELETED."""
    if options.namespace not in ("", change.current["metadata"].get("namespace", "")):
        return None
    was = change.previous is not None and options.test(change.previous)
    now = not change.deleted and options.test(change.current)
    if not was and not now:
        return None
    if was and not now:
        return "DELETED", change.current
    return ("MODIFIED" if was else "ADDED"), change.current


def _bookmark(kind: ResourceType, revision: int, *, initial_end: bool = False) -> Event:
    metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return "BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}


async def watch(store: Store, kind: ResourceType, options: WatchOptions) -> AsyncGenerator[Event]:
    """The events of a watch until its time is over or its history is gone.

    A watch holds no queue: it reads the store's bounded history, so a slow reader costs nothing and
    ends with an ERROR event of code 410 when the history has moved on.
    """
    clock = asyncio.get_running_loop().time
    ends, woken = clock() + options.seconds, asyncio.Event()
    revision = store.revision if options.revision is None else options.revision
    stop = store.listen(kind, woken.set)
    try:
        for event in _existing(store, kind, options):
            yield event
        while True:
            woken.clear()
            changes = store.changes_after(kind, revision)
            for event in filter(None, (filtered(change, options) for change in changes)):
                yield event
            revision = changes[-1].revision if changes else revision
            if changes or await _wait(woken, ends - clock()):
                continue
            if clock() >= ends:
                return
            revision = _current(store, kind, revision)
            if options.bookmarks:
                yield _bookmark(kind, revision)
    except StatusError as error:
        yield "ERROR", error.encode()
    finally:
        stop()


def _existing(store: Store, kind: ResourceType, options: WatchOptions) -> list[Event]:
    """What a watch that begins with the present state sends first."""
    if options.revision is not None:
        return []
    events = [("ADDED", value) for value in store.objects(kind, options.namespace) if options.test(value)]
    return events + ([_bookmark(kind, store.revision, initial_end=True)] if options.initial_end else [])


def _current(store: Store, kind: ResourceType, revision: int) -> int:
    """The newest revision that a watch which has seen all until ``revision`` may bookmark."""
    return revision if store.changes_after(kind, revision) else store.revision


async def _wait(woken: asyncio.Event, left: float) -> bool:
    """Wait for a change; False when it is time for a bookmark or the end."""
    before_end = left - BOOKMARK_BEFORE_END_SECONDS
    timeout = min(BOOKMARK_SECONDS, before_end if before_end > _SOON else left)
    try:
        await asyncio.wait_for(woken.wait(), max(timeout, 0))
    except TimeoutError:
        return False
    return True
