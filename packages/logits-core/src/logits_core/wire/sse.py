"""Server-sent events without I/O: boundaries in a byte stream, reading events, writing them."""

from __future__ import annotations

import re

from logits_core.errors import ErrorCode, LogitsError

DONE = b"data: [DONE]\n\n"
"""The terminator of an OpenAI event stream."""

EVENT_BYTES = 4 * 1024 * 1024
"""Most bytes that one event may have before a reader gives up."""

# An empty line ends an event; lines end with LF, CR LF or CR (WHATWG HTML, server-sent events).
_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r")


def data_event(data: bytes) -> bytes:
    """Frame `data` (which has no line ends) as one event."""
    return b"data: %b\n\n" % data


class EventBoundary:
    """Holds back the unfinished event at the end of a stream, so that something can be put between events.

    What `feed` and `rest` return is, joined, exactly what was fed. An event longer than `limit` bytes passes
    unfinished rather than growing without bound; `at_boundary` then says False until it ends.
    """

    __slots__ = ("_limit", "_rest", "at_boundary")

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._rest = b""
        self._limit = limit
        self.at_boundary = True

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes; return those up to the last event's end."""
        data = self._rest + chunk if self._rest else chunk
        # Servers end events with LF LF and chunks with events: look there before searching.
        if data.endswith(b"\n\n"):
            self._rest = b""
            self.at_boundary = True
            return data
        end = _last_end(data)
        if end == 0 and len(data) > self._limit:
            self._rest = b""
            self.at_boundary = False
            return data
        if end:
            self.at_boundary = True
        self._rest = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """Return, and let go of, what was held back."""
        rest, self._rest = self._rest, b""
        return rest


def _last_end(data: bytes) -> int:
    end = 0
    for match in _END_OF_EVENT.finditer(data, 0, _usable(data)):
        end = match.end()
    return end


def _usable(data: bytes) -> int:
    # A CR at the very end may be half of a CR LF.
    return len(data) - 1 if data.endswith(b"\r") else len(data)


class EventReader:
    """Reads the data of events from a byte stream that may be cut anywhere.

    Comments and fields other than `data` are skipped.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = EVENT_BYTES) -> None:
        self._rest = b""
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes; return the data of every event that is now whole.

        Raises:
            LogitsError: TOO_LARGE, an event has more bytes than allowed.
        """
        data = self._rest + chunk
        found: list[bytes] = []
        start = 0
        for match in _END_OF_EVENT.finditer(data, 0, _usable(data)):
            event = _data_of(data[start : match.start()])
            start = match.end()
            if event is not None:
                found.append(event)
        self._rest = data[start:]
        if len(self._rest) > self._limit:
            raise LogitsError(ErrorCode.TOO_LARGE, f"An event has more than {self._limit} bytes.")
        return found


def _data_of(event: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in re.split(rb"\r\n|\n|\r", event) if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
