"""Server-sent events without I/O: bytes in, event data out, at any split points."""

from __future__ import annotations

from collections.abc import Iterator

DONE = b"[DONE]"
MAX_EVENT_BYTES = 64 << 20


class EventDecoder:
    """Decodes the ``data`` of server-sent events incrementally.

    Lines may end in CR, LF or CRLF; comments and other fields are skipped; several ``data`` lines
    are joined by a newline, as the standard says.
    """

    def __init__(self) -> None:
        self._held = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes; yields the data of every event that is complete."""
        self._held += chunk
        while (line := self._next_line()) is not None:
            if not line:
                if self._data:
                    data, self._data = b"\n".join(self._data), []
                    yield data
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
        if len(self._held) > MAX_EVENT_BYTES:
            raise ValueError("an event of the stream never ends")

    def _next_line(self) -> bytes | None:
        for position, byte in enumerate(self._held):
            if byte == 0x0A:
                return self._cut(position, 1)
            if byte == 0x0D:
                if position + 1 == len(self._held):
                    return None  # Whether this is CR or CRLF shows with the next byte.
                return self._cut(position, 2 if self._held[position + 1] == 0x0A else 1)
        return None

    def _cut(self, position: int, ending: int) -> bytes:
        line, self._held = self._held[:position], self._held[position + ending :]
        return line
