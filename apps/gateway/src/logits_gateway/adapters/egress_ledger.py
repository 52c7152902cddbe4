"""The egress ledger: exactly what left for the vendor, readable by the customer for a number of days.

One day has two files: ``DAY.bodies``, the bytes as they were sent, one after the other, and
``DAY.jsonl``, a line for each call with where its bytes are and what they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from logits_core.errors import ErrorCode, LogitsError

MAX_PAGE = 200
_CURSOR = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,9})")


class Departure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One call to the vendor.

    Attributes:
        id: the ``auditID`` of its records in the audit log.
        time: when it left, RFC 3339.
        method: HTTP method.
        path: with its query.
        caller: the component on whose behalf it was sent.
        sha256: of the bytes that were sent, in hex.
        size: their number.
        offset: where they begin in the day's file.
        encoding: how they are compressed, empty when they aren't.
        schema: what they are: logs, metrics, report or registration; empty for a question without a body.
        index: of the record in the audit log that was written before; -1 for a question without a body.
    """

    id: str
    time: str
    method: str
    path: str
    caller: str
    sha256: str
    size: int
    offset: int = 0
    encoding: str = ""
    schema: str = ""
    index: int = -1


class EgressLedger:
    """Keeps what left.

    Args:
        directory: of the ledger, on the Gateway's volume.
        keep_days: days after which a day's files are deleted.
        clock: seconds since the epoch.
    """

    def __init__(self, directory: Path, keep_days: int, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock
        self.keep_days = keep_days
        directory.mkdir(parents=True, exist_ok=True)
        self._prune()

    def keep(self, departure: Departure, content: bytes) -> None:
        """Write down a call before it is made; on disk when this returns.

        Raises:
            LogitsError: UNAVAILABLE when it can't be; then nothing may leave.
        """
        day = departure.time[:10]
        if not (self._directory / f"{day}.jsonl").exists():
            self._prune()
        try:
            offset = _append(self._directory / f"{day}.bodies", content)
            placed = msgspec.structs.replace(departure, offset=offset)
            _append(self._directory / f"{day}.jsonl", b"\n" + msgspec.json.encode(placed) + b"\n")
        except OSError as error:
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                f"the egress ledger cannot be written ({error.strerror}); nothing leaves that the customer can't read",
            ) from None

    def page(self, before: str, limit: int) -> list[tuple[str, Departure]]:
        """Calls with their cursors, newest first, from before a cursor on (empty: from the newest)."""
        day, line = self._position(before) if before else ("9999-12-31", 0)
        found: list[tuple[str, Departure]] = []
        for name in sorted((path.stem for path in self._directory.glob("*.jsonl")), reverse=True):
            if name > day:
                continue
            departures = self._day(name)
            end = line if name == day else len(departures)
            for number in range(min(end, len(departures)) - 1, -1, -1):
                if len(found) == limit:
                    return found
                found.append((f"{name}.{number}", departures[number]))
        return found

    def body(self, cursor: str) -> tuple[Departure, bytes]:
        """A call and the bytes that were sent.

        Raises:
            LogitsError: NOT_FOUND when it isn't kept, or not any more.
        """
        day, number = self._position(cursor)
        departures = self._day(day)
        if number >= len(departures):
            raise _gone()
        found = departures[number]
        with (self._directory / f"{day}.bodies").open("rb") as file:
            file.seek(found.offset)
            return found, file.read(found.size)

    def _day(self, day: str) -> list[Departure]:
        path = self._directory / f"{day}.jsonl"
        if not path.exists():
            raise _gone()
        found: list[Departure] = []
        for line in path.read_bytes().split(b"\n"):
            try:
                found.append(msgspec.json.decode(line, type=Departure))
            except msgspec.MsgspecError:
                continue  # empty, or torn by a crash: then its call was never made
        return found

    def _position(self, cursor: str) -> tuple[str, int]:
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise LogitsError(ErrorCode.INVALID, "the cursor is one from a page of the ledger", field="before")
        return match[1], int(match[2])

    def _prune(self) -> None:
        oldest = (datetime.fromtimestamp(self._clock(), UTC) - timedelta(days=self.keep_days)).date().isoformat()
        for path in self._directory.iterdir():
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", path.stem) and path.stem < oldest:
                path.unlink()


def _append(path: Path, data: bytes) -> int:
    """Append durably; returns where the data begins."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        start = os.lseek(file, 0, os.SEEK_END)
        written = 0
        while written < len(data):
            written += os.write(file, data[written:])
        os.fsync(file)
    finally:
        os.close(file)
    return start


def _gone() -> LogitsError:
    return LogitsError(ErrorCode.NOT_FOUND, "nothing is kept under this cursor; it may be older than the days kept")
