"""The demand ledger: what is in flight and waiting for each model, for the Controller to scale by."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio


class _Stage(enum.Enum):
    WAITING = "waiting"
    IN_FLIGHT = "in-flight"
    GONE = "gone"


@dataclass(slots=True)
class _Row:
    in_flight: int = 0
    waiting: int = 0
    last_request_at: datetime | None = None


class Ticket:
    """One request in the ledger, from its decision to its end, retries included."""

    __slots__ = ("_ledger", "_row", "_stage")

    def __init__(self, ledger: DemandLedger, row: _Row) -> None:
        self._ledger = ledger
        self._row = row
        self._stage = _Stage.WAITING
        row.waiting += 1
        ledger.changed()

    def started(self) -> None:
        """The request has a place at an LLM Server."""
        if self._stage is _Stage.WAITING:
            self._row.waiting -= 1
            self._row.in_flight += 1
            self._stage = _Stage.IN_FLIGHT
            self._ledger.changed()

    def ended(self) -> None:
        """The request is over; only the first call counts."""
        if self._stage is _Stage.WAITING:
            self._row.waiting -= 1
        elif self._stage is _Stage.IN_FLIGHT:
            self._row.in_flight -= 1
        else:
            return
        self._stage = _Stage.GONE
        self._ledger.changed()


class DemandLedger:
    """Counts per model; wakes whoever reports it.

    Args:
        now: The wall clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._rows: dict[str, _Row] = {}
        self._event = anyio.Event()
        self._news = False

    def enter(self, model: str) -> Ticket:
        """Count a request for `model` as waiting."""
        row = self._rows.setdefault(model, _Row())
        row.last_request_at = self._now()
        return Ticket(self, row)

    def changed(self) -> None:
        """Wake the reporter."""
        if not self._news:
            self._news = True
            self._event.set()

    async def wait(self) -> None:
        """Wait for a change since the last `take`."""
        await self._event.wait()

    def take(self) -> dict[str, dict[str, Any]]:
        """Return the figures per model as the Demand entity has them, and forget that they changed."""
        self._event = anyio.Event()
        self._news = False
        return {
            model: {"inFlight": row.in_flight, "waiting": row.waiting, "lastRequestAt": _text(row.last_request_at)}
            for model, row in self._rows.items()
        }

    def forget(self, model: str) -> None:
        """Drop an idle model that no longer exists."""
        row = self._rows.get(model)
        if row is not None and row.in_flight + row.waiting == 0:
            del self._rows[model]
            self.changed()

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return any(row.in_flight or row.waiting for row in self._rows.values())

    @property
    def models(self) -> list[str]:
        """The models in the ledger."""
        return list(self._rows)

    def totals(self) -> tuple[int, int]:
        """Return the requests in flight and waiting, all models together."""
        rows = self._rows.values()
        return sum(row.in_flight for row in rows), sum(row.waiting for row in rows)


def _text(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
