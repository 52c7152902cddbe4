"""The output of Pods' containers, read from the files that their node writes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from logits_local.api.errors import bad_request
from logits_local.api.requests import Request
from logits_local.api.resources import Object

FOLLOW_SECONDS = 0.25
"""How often a followed file is looked at; only while somebody follows it."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is asked for of a container's log.

    Attributes:
        container: its name; the only one when empty.
        follow: stay and send what comes.
        previous: the run before the present one.
        timestamps: keep the time in front of each line.
        tail: only that many lines from the end.
        since: only lines from this time on (RFC 3339).
        limit: at most that many bytes.
    """

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: str = ""
    limit: int | None = None

    @classmethod
    def parse(cls, request: Request, now: Callable[[int], str]) -> LogOptions:
        """From the query.

        Args:
            request: the request.
            now: the time that many seconds ago, as RFC 3339 text.
        """
        since, seconds = request.query.get("sinceTime", ""), request.number("sinceSeconds")
        if since:
            try:
                datetime.fromisoformat(since)
            except ValueError:
                raise bad_request(f"sinceTime: {since!r} is no RFC 3339 time") from None
        return cls(
            request.query.get("container", ""),
            request.is_set("follow"),
            request.is_set("previous"),
            request.is_set("timestamps"),
            request.number("tailLines"),
            since if seconds is None else now(seconds),
            request.number("limitBytes"),
        )


def container_status(pod: Object, container: str) -> Object:
    """The reported status of one container; empty before its node has said anything."""
    status: Object = pod.get("status", {})
    for held in [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]:
        if held["name"] == container:
            return held
    return {}


class PodLogs:
    """Container output under ``<directory>/<pod uid>/<container>/<restartCount>.log``.

    Every line starts with its RFC 3339 time and a space.

    Args:
        directory: where the nodes write.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def locate(self, pod: Object, options: LogOptions) -> Path:
        """The file to read.

        Raises:
            StatusError: BadRequest when there is no such container, or nothing of it to read.
        """
        name, container = pod["metadata"]["name"], _container(pod, options.container)
        status = container_status(pod, container)
        run = status.get("restartCount", 0) - int(options.previous)
        path = self._directory / pod["metadata"]["uid"] / container / f"{run}.log"
        if options.previous and not path.exists():
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        if not path.exists():
            reason = status.get("state", {}).get("waiting", {}).get("reason", "ContainerCreating")
            raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        return path

    async def read(self, path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
        """The asked-for lines, oldest first.

        Args:
            path: from ``locate``.
            options: what is asked for.
            ended: whether the container writes no more; ends a follow.
        """
        left = options.limit
        async for lines in _batches(path, options, ended):
            chunk = b"".join(_stripped(line, options) for line in lines if _recent(line, options.since))
            if left is not None:
                chunk, left = chunk[:left], left - len(chunk)
            if chunk:
                yield chunk
            if left is not None and left <= 0:
                return


async def _batches(path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncIterator[list[bytes]]:
    """Complete lines in batches; when the file is followed, until the container has ended."""
    with _open(path) as file:
        inode = _inode(path)
        kept = deque(file, options.tail) if options.tail is not None else None
        if kept is not None:
            yield list(kept)
        rest = b""
        while True:
            over = ended()
            while chunk := file.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                yield [line + b"\n" for line in lines]
            if rest and (over or not options.follow):
                yield [rest + b"\n"]
            if over or not options.follow:
                return
            if _inode(path) not in (inode, None):  # rotated: what is left is read, go on anew
                break
            await asyncio.sleep(FOLLOW_SECONDS)
    async for lines in _batches(path, replace(options, tail=None), ended):
        yield lines


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _container(pod: Object, wanted: str) -> str:
    spec: Object = pod["spec"]
    names = [held["name"] for held in spec.get("containers", [])]
    every = names + [held["name"] for held in spec.get("initContainers", [])]
    name = pod["metadata"]["name"]
    if wanted and wanted not in every:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if not wanted and len(names) > 1:
        listed = " ".join(names)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    return wanted or names[0]


def _stripped(line: bytes, options: LogOptions) -> bytes:
    return line if options.timestamps else line.partition(b" ")[2]


def _recent(line: bytes, since: str) -> bool:
    return not since or line[:19].decode("latin-1") >= since[:19]
