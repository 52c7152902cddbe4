"""The demand ledger: what is in flight and waiting for each model, for the Controller to scale by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import anyio


class Row:
    """What is under way for one model.

    Attributes:
        in_flight: Requests that have a place at an LLM Server.
        waiting: Requests that want one.
        last_request_at: When the last one came.
    """

    __slots__ = ("in_flight", "last_request_at", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.waiting = 0
        self.last_request_at: datetime | None = None


class DemandLedger:
    """Counts per model; wakes whoever reports it.

    Args:
        now: The wall clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._rows: dict[str, Row] = {}
        self._event = anyio.Event()
        self._news = False

    def row(self, model: str) -> Row:
        """Return where a request for `model` that has come now is counted; say `changed` when it is."""
        row = self._rows.get(model)
        if row is None:
            row = self._rows[model] = Row()
        row.last_request_at = self._now()
        return row

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
