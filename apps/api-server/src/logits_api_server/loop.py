"""The API Server's loops: the router follows the Entity DB, and demand is reported as it changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

import anyio

from logits_api_server.adapters.demand_report import DemandReport
from logits_api_server.catalog import Catalog
from logits_api_server.demand import DemandLedger
from logits_api_server.metrics import Metrics
from logits_api_server.waiting import WaitingRoom
from logits_core.errors import LogitsError
from logits_core.redaction import Identifier
from logits_core.routing import Router
from logits_shell.entities import EntityCache
from logits_shell.log import Logger

SHORTEST_PAUSE_SECONDS = 1.0


class Follower:
    """Keeps the router and the waiting room in step with the Entity DB's caches."""

    def __init__(self, catalog: Catalog, router: Router, waiting: WaitingRoom, ledger: DemandLedger) -> None:
        self._catalog = catalog
        self._router = router
        self._waiting = waiting
        self._ledger = ledger
        self._routed: set[str] = set()

    async def follow(self, cache: EntityCache) -> None:
        """Act on every change of `cache`, for ever."""
        async with aclosing(cache.changes()) as changes:
            async for _ in changes:
                self.refresh()

    def refresh(self) -> None:
        """Bring everything in line with what the caches say now."""
        endpoints = self._catalog.endpoints()
        for model in self._routed | endpoints.keys():
            self._router.sync(model, endpoints.get(model, ()))
        self._routed = set(endpoints)
        for model in self._waiting.models():
            self._reconsider(model)
        if self._catalog.known():
            for model in self._ledger.models:
                if model not in self._catalog.deployments:
                    self._ledger.forget(model)

    def _reconsider(self, model: str) -> None:
        try:
            deployment = self._catalog.require(model)
        except LogitsError as error:
            self._waiting.refuse(model, error)
            return
        self._waiting.serve(model)
        failure = self._catalog.failure(deployment)
        if failure is not None:
            self._waiting.refuse(model, failure)


class DemandReporter:
    """Writes demand on change, at most once a second, and now and then while it holds.

    Args:
        ledger: The figures.
        report: Where they go.
        repeat_seconds: Pause after which unchanged figures are written again while requests run.
        now: The wall clock.
        metrics: Counts reports that were lost, and shows the totals.
        log: Told when reports begin to fail and when they work again.
    """

    def __init__(
        self,
        ledger: DemandLedger,
        report: DemandReport,
        *,
        repeat_seconds: float,
        now: Callable[[], datetime],
        metrics: Metrics,
        log: Logger,
    ) -> None:
        self._ledger = ledger
        self._report = report
        self._repeat_seconds = repeat_seconds
        self._now = now
        self._metrics = metrics
        self._log = log
        self._failing = False

    async def run(self) -> None:
        """Report for ever."""
        while True:
            if self._ledger.busy:
                with anyio.move_on_after(self._repeat_seconds):
                    await self._ledger.wait()
            else:
                await self._ledger.wait()
            await self._write()
            await anyio.sleep(SHORTEST_PAUSE_SECONDS)

    async def _write(self) -> None:
        models = self._ledger.take()
        observed_at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        try:
            await self._report.write(models, observed_at)
        except LogitsError as error:
            self._metrics.reports_lost.inc()
            # What could not be said now is said at the next turn.
            self._ledger.changed()
            if not self._failing:
                self._log.warning(
                    "demand could not be reported ({code}): {reason}",
                    code=Identifier(error.code.value),
                    reason=error.message,
                )
            self._failing = True
        else:
            if self._failing:
                self._log.info("demand is reported again")
            self._failing = False
