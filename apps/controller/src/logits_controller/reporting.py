"""The reporting loop: tells the vendor how this environment fares, in counts and reason codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import anyio

from logits_controller.metrics import Metrics
from logits_core.entities.model import JsonObject
from logits_core.errors import LogitsError
from logits_core.redaction import Identifier
from logits_shell.kubernetes import Changes
from logits_shell.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to report, in seconds.

    Attributes:
        at_least: the longest time between two reports.
        at_most: the shortest time between two reports.
    """

    at_least: float
    at_most: float


class ReportLoop:
    """Tells the vendor of changes, not too often, and now and then that all is the same.

    Args:
        report: makes the report of the moment; None while there is nothing to tell.
        send: hands it on.
        changes: rung when the world changes.
        clock: the time.
        pace: how often to report.
        telemetry: for the log.
        metrics: counters.
    """

    def __init__(
        self,
        report: Callable[[], JsonObject | None],
        send: Callable[[JsonObject], Awaitable[None]],
        *,
        changes: Changes,
        clock: Callable[[], datetime],
        pace: Pace,
        telemetry: Telemetry,
        metrics: Metrics,
    ) -> None:
        self._report = report
        self._send = send
        self._changes = changes
        self._clock = clock
        self._pace = pace
        self._telemetry = telemetry
        self._metrics = metrics
        self._told: JsonObject | None = None

    async def run(self) -> None:
        """Report for ever; what could not be sent is sent in its newest form later."""
        due = anyio.current_time()
        while True:
            seen = self._changes.count
            report = self._report()
            if report is not None and (report != self._told or anyio.current_time() >= due):
                sent = await self._tell(report)
                due = anyio.current_time() + self._pace.at_least
                await anyio.sleep(self._pace.at_most if sent else self._pace.at_least / 4)
            else:
                with anyio.move_on_after(max(0.0, due - anyio.current_time()) or self._pace.at_most):
                    await self._changes.wait(seen)

    async def _tell(self, report: JsonObject) -> bool:
        # Milliseconds since the epoch keep growing across restarts without any memory.
        sequence = int(self._clock().timestamp() * 1000)
        try:
            await self._send({"sequence": sequence, **report})
        except LogitsError as error:
            self._metrics.reports.labels("failed").inc()
            self._telemetry.log.warning(
                "a report was not delivered: {code}: {message}",
                code=Identifier(error.code.value),
                message=error.message,
            )
            return False
        self._told = report
        self._metrics.reports.labels("sent").inc()
        return True
