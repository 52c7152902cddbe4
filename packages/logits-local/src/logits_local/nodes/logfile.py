"""A container's log file: timestamped lines, bounded by rotation to one older file."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

_LINE_BYTES = 16 << 10
_TAIL_BYTES = 2048


class LogFile:
    """Writes ``RFC3339Nano text`` lines; the lines of stdout and stderr are mixed as they come.

    Args:
        path: the file; it is made anew for each start of the container.
        limit_bytes: when reached, the file becomes ``<path>.1`` and a fresh one begins.
        clock: nanoseconds since the epoch.
    """

    def __init__(self, path: Path, *, limit_bytes: int = 10 << 20, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._limit = limit_bytes
        self._clock = clock
        self._partial = b""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(path, "a")
        self._size = self._file.tell()

    def write(self, data: bytes) -> None:
        """Write output as it arrived; an unfinished line waits for its end."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        while len(self._partial) > _LINE_BYTES:
            lines.append(self._partial[:_LINE_BYTES])
            self._partial = self._partial[_LINE_BYTES:]
        if lines:
            self._put(lines)

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._partial:
            self._put([self._partial])
            self._partial = b""
        self._file.close()

    def tail(self) -> str:
        """The last lines, without their times, for a container's termination message."""
        with self._path.open("rb") as reader:
            reader.seek(max(0, self._path.stat().st_size - 2 * _TAIL_BYTES))
            lines = reader.read().split(b"\n")[:-1]
        text = b"\n".join(line.partition(b" ")[2] for line in lines)
        return text[-_TAIL_BYTES:].decode(errors="replace")

    def _put(self, lines: list[bytes]) -> None:
        stamp = _nanoseconds(self._clock()).encode()
        content = b"".join(b"%s %s\n" % (stamp, line) for line in lines)
        if self._size and self._size + len(content) > self._limit:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = FileIO(self._path, "a")
            self._size = 0
        self._file.write(content)
        self._size += len(content)


def forget_logs(directory: Path, *, older_than: int) -> None:
    """Remove the logs of runs before this one: a container that crashes for days fills no disk."""
    for path in directory.iterdir():
        run = path.name.partition(".")[0]
        if run.isdigit() and int(run) < older_than:
            path.unlink(missing_ok=True)


def _nanoseconds(moment: int) -> str:
    seconds, rest = divmod(moment, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
