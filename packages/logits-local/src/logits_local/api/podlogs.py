"""The output of Pods' containers, read from the files that their node writes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from logits_local.api.errors import bad_request
from logits_local.api.requests import Request
from logits_local.api.resources import Object
from logits_shell.streaming import Chunks

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
    """

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None

    @classmethod
    def parse(cls, request: Request) -> LogOptions:
        """From the query."""
        follow, previous, timestamps = map(request.is_set, ("follow", "previous", "timestamps"))
        container, tail = request.query.get("container", ""), request.number("tailLines")
        return cls(container, follow, previous, timestamps, tail)


def container_status(pod: Object, container: str) -> Object:
    """The reported status of one container; empty before its node has said anything."""
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses", [])
    return next((held for held in statuses if held["name"] == container), Object())


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

    async def read(self, path: Path, options: LogOptions, ended: Callable[[], bool]) -> Chunks:
        """The asked-for lines, oldest first.

        Args:
            path: from ``locate``.
            options: what is asked for.
            ended: whether the container writes no more; ends a follow.
        """
        async for lines in _batches(path, options, ended):
            if lines:
                yield b"".join(line if options.timestamps else line.partition(b" ")[2] for line in lines)


async def _batches(path: Path, options: LogOptions, ended: Callable[[], bool]) -> AsyncGenerator[list[bytes]]:
    """Complete lines in batches; when the file is followed, until the container has ended."""
    with _open(path) as file:
        inode = _inode(path)
        if options.tail is not None:
            yield list(deque(file, options.tail))
        rest = b""
        while True:
            over = ended() or not options.follow
            while chunk := file.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                yield [line + b"\n" for line in lines]
            if over:
                yield [rest + b"\n"] if rest else []
                return
            if _inode(path) not in (inode, None):  # rotated: what is left is read, go on anew
                break
            await asyncio.sleep(FOLLOW_SECONDS)
    async for lines in _batches(path, replace(options, tail=None), ended):
        yield lines


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _container(pod: Object, wanted: str) -> str:
    names = [held["name"] for held in pod["spec"].get("containers", [])]
    name = pod["metadata"]["name"]
    if wanted and wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if not wanted and len(names) > 1:
        listed = " ".join(names)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{listed}]")
    return wanted or names[0]
