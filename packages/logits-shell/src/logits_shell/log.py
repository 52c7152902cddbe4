"""The log: everything goes to the Pod's own output, only what is known to be safe to the export stream."""

from __future__ import annotations

import inspect
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, TextIO

import msgspec
from prometheus_client import Counter

from logits_core.redaction import Identifier, LogRecord

if TYPE_CHECKING:
    from typing import LiteralString

    from prometheus_client import CollectorRegistry


class ExportStream:
    """The bounded ring of exported lines that ``/logs`` serves; the oldest are dropped and counted.

    Args:
        stream: random id of this process life, in hex.
        capacity: lines kept.
        on_drop: called once for every line that leaves unread or not, when the ring is full.
    """

    def __init__(self, stream: str, capacity: int, on_drop: Callable[[], None]) -> None:
        self.stream = stream
        self._lines: deque[tuple[int, bytes]] = deque(maxlen=capacity)
        self._on_drop = on_drop
        self._next = 1
        self._waiters: list[Callable[[], None]] = []

    @property
    def last_sequence(self) -> int:
        """Sequence number of the newest line, 0 before the first."""
        return self._next - 1

    @property
    def first_sequence(self) -> int:
        """Sequence number of the oldest line that is still held."""
        return self._lines[0][0] if self._lines else self._next

    def append(self, record: LogRecord, version: str) -> None:
        """Encode the safe part of the record and keep it."""
        sequence = self._next
        self._next += 1
        line = msgspec.json.encode(record.export(self.stream, sequence, version))
        if len(self._lines) == self._lines.maxlen:
            self._on_drop()
        self._lines.append((sequence, line))
        waiters, self._waiters = self._waiters, []
        for wake in waiters:
            wake()

    def after(self, sequence: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """Up to ``limit`` lines with a sequence number above ``sequence``, oldest first."""
        given = 0
        for number, line in self._lines:
            if number > sequence:
                if given == limit:
                    return
                given += 1
                yield number, line

    def when_next(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once at the next line."""
        self._waiters.append(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        """Take back a ``when_next`` that is no longer wanted."""
        if wake in self._waiters:
            self._waiters.remove(wake)


class Logger:
    """Writes records whose template is a literal of the calling source line.

    Values that are not of a safe type go to the Pod's own output only. A template that was put
    together at run time is replaced before export, because data may have been formatted into it.
    """

    def __init__(
        self,
        component: str,
        version: str,
        stream: ExportStream,
        *,
        registry: CollectorRegistry,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.time,
        verbose: bool = False,
    ) -> None:
        self._component = component
        self._version = version
        self._stream = stream
        self._output = output
        self._clock = clock
        self._verbose = verbose
        self._count = Counter("logits_log_records", "Log records written.", ["level"], registry=registry)

    def debug(self, template: LiteralString, **values: object) -> None:
        """Write detail for developers; off unless the process is verbose, never exported."""
        if self._verbose:
            self._write("debug", template, values, _caller())

    def info(self, template: LiteralString, **values: object) -> None:
        """Write an ordinary event."""
        self._write("info", template, values, _caller())

    def warning(self, template: LiteralString, **values: object) -> None:
        """Write something that may need a person soon."""
        self._write("warning", template, values, _caller())

    def error(self, template: LiteralString, **values: object) -> None:
        """Write something that needs a person."""
        self._write("error", template, values, _caller())

    def incident(self, failure: Exception) -> str:
        """Write down what nobody foresaw, and return the id by which an answer can refer to it."""
        incident = secrets.token_hex(6)
        self.error(
            "unexpected error {incident} of type {kind}: {error}",
            incident=incident,
            kind=Identifier(type(failure).__name__.lower()[:48]),
            error=repr(failure),
        )
        return incident

    def _write(self, level: str, template: str, values: dict[str, object], caller: CodeType | None) -> None:
        record = LogRecord(time=self._clock(), level=level, component=self._component, template=template, values=values)
        self._count.labels(level).inc()
        stamp = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
        text = record.local_text().replace("\n", "\\n").replace("\r", "\\r")
        output = self._output or sys.stdout
        output.write(f"{stamp} {level.upper():7} {self._component} {text}\n")
        output.flush()
        if level != "debug":
            safe = (
                record
                if _is_literal(caller, template)
                else msgspec.structs.replace(record, template="(a template that is not a literal was withheld)")
            )
            self._stream.append(safe, self._version)


def _caller() -> CodeType | None:
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    return frame.f_code if frame else None


@lru_cache(maxsize=4096)
def _is_literal(code: CodeType | None, template: str) -> bool:
    # PEP 675 can only be checked by a type checker; at run time the text must be one of the
    # caller's own constants, so an f-string or a concatenation fails closed.
    return code is not None and any(isinstance(constant, str) and constant == template for constant in code.co_consts)
