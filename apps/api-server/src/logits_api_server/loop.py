"""The API Server's loops: the router follows the Entity DB, and demand is reported as it changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

import anyio

from logits_api_server.call import Books
from logits_api_server.callers import Callers
from logits_api_server.catalog import Catalog
from logits_api_server.demand import DemandLedger
from logits_api_server.metrics import Metrics
from logits_api_server.sources import Background, DemandStore, EntitySource, Sources
from logits_api_server.waiting import WaitingRoom
from logits_core.errors import LogitsError
from logits_core.redaction import Identifier
from logits_shell.log import Logger

SHORTEST_PAUSE_SECONDS = 1.0


class Follower:
    """Keeps router, waiting room and key ring in step with the sources."""

    def __init__(
        self, catalog: Catalog, callers: Callers, books: Books, waiting: WaitingRoom, sources: Sources
    ) -> None:
        self._catalog = catalog
        self._callers = callers
        self._books = books
        self._waiting = waiting
        self._sources = sources
        self._routed: set[str] = set()

    @property
    def loops(self) -> tuple[Background, ...]:
        """One endless loop per source."""
        sources = self._sources
        return (
            lambda: _follow(sources.deployments, self.refresh),
            lambda: _follow(sources.servers, self.refresh),
            lambda: _follow(sources.keys, lambda _: self._callers.refresh()),
        )

    def refresh(self, changed: frozenset[str]) -> None:
        """Bring everything in line with what the sources say now.

        Args:
            changed: Names of the entities that changed.
        """
        self._catalog.refresh()
        endpoints = self._catalog.endpoints()
        router = self._books.router
        for model in self._routed | endpoints.keys():
            router.sync(model, endpoints.get(model, ()))
        self._routed = set(endpoints)
        for name in changed:
            self._observe(name)
        for model in self._waiting.models():
            self._reconsider(model)
        if self._catalog.known():
            for model in self._books.demand.models:
                if model not in self._catalog.deployments:
                    self._books.demand.forget(model)
                    self._waiting.forget(model)

    def _observe(self, name: str) -> None:
        server = self._sources.servers.items.get(name)
        if server is None:
            return
        self._books.router.observe(
            str(server.spec["deployment"]),
            name,
            running=int(server.status.get("running") or 0),
            waiting=int(server.status.get("waiting") or 0),
            cache_usage=float(server.status.get("kvUsage") or 0.0),
            now=self._books.clock(),
        )

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


async def _follow(source: EntitySource, act: Callable[[frozenset[str]], None]) -> None:
    async with aclosing(source.changes()) as changes:
        async for names in changes:
            act(names)


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
        report: DemandStore,
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
