"""The Collector's loops: follow every stream, scrape every port, spool, send."""

from __future__ import annotations

import contextlib
import random
import time
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import httpx

from logits_collector.adapters.gateway import BatchSender
from logits_collector.adapters.metrics import scrape
from logits_collector.adapters.spool import Spool
from logits_collector.adapters.streams import LogSource
from logits_collector.adapters.targets import Target, targets_of
from logits_collector.counters import Counters
from logits_core.collection import Batcher, Limits, Positions, Verdict, pause_before_retry, verdict
from logits_core.errors import LogitsError
from logits_core.redaction import Count, Identifier, Reason, Status, decode_exported
from logits_shell.kubernetes import Reflector
from logits_shell.log import Logger

RECONNECT_SECONDS = 2.0
CONCURRENT_SCRAPES = 8


@dataclass
class Collector:
    """Everything the loops share; ``create_app`` wires it."""

    pods: Reflector
    source: LogSource
    http: httpx.AsyncClient
    spool: Spool
    sender: BatchSender
    counters: Counters
    log: Logger
    limits: Limits
    scrape_seconds: float

    def __post_init__(self) -> None:
        self.positions = Positions()
        for stored in self.spool.positions():
            self.positions.merge(stored)
        self._logs = Batcher("logs", self.limits)
        self._metrics = Batcher("metrics", self.limits)
        self._gathered = anyio.Event()
        self._spooled = anyio.Event()
        self._jitter = random.SystemRandom()
        self._following: dict[Target, anyio.CancelScope] = {}

    async def discover(self) -> None:
        """Follow each target from when it appears until it goes."""
        await self.pods.synced.wait()
        async with anyio.create_task_group() as group:
            while True:
                seen = self.pods.changes.count
                targets = targets_of(self.pods.objects.values())
                for gone in set(self._following) - targets:
                    self._following.pop(gone).cancel()
                for new in targets - set(self._following):
                    self._following[new] = anyio.CancelScope()
                    group.start_soon(self._follow, new, self._following[new])
                self.counters.targets.set(len(targets))
                await self.pods.wait_change(seen)

    async def _follow(self, target: Target, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                # The pod isn't ready or is leaving; discovery ends this when it has gone.
                with contextlib.suppress(httpx.HTTPError, LogitsError):
                    await self._read(target)
                await anyio.sleep(RECONNECT_SECONDS)

    async def _read(self, target: Target) -> None:
        stream = await self.source.stream_id(target)
        lines = self.source.follow(target, self.positions.last(stream))
        async with aclosing(lines):
            async for current, line in lines:
                if current != stream:
                    return  # The process restarted in between: its numbers start anew.
                self.take(stream, line)

    def take(self, stream: str, line: bytes) -> None:
        """Take one line of a stream: count what is missing, refuse what is no exported record."""
        try:
            record = decode_exported(line)
        except LogitsError:
            self.counters.refused.inc()
            return
        missed = self.positions.advance(stream, record.sequence)
        if missed < 0:
            return
        if missed:
            self.counters.missed.inc(missed)
            self.log.warning("{count} log records were missed", count=Count(missed))
        self.counters.taken.inc()
        self._logs.add(line, time.monotonic())
        self._gathered.set()

    async def scrape_all(self) -> None:
        """Scrape every target once per interval."""
        await self.pods.synced.wait()
        limiter = anyio.CapacityLimiter(CONCURRENT_SCRAPES)
        while True:
            await anyio.sleep(self.scrape_seconds)
            async with anyio.create_task_group() as group:
                for target in list(self._following):
                    group.start_soon(self._scrape, target, limiter)

    async def _scrape(self, target: Target, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            try:
                result = await scrape(self.http, target, time.time())
            except (httpx.HTTPError, LogitsError):
                self.log.warning("the metrics of {component} couldn't be scraped", component=target.component)
                return
        self.counters.withheld.inc(result.withheld)
        for line in result.lines:
            self._metrics.add(line, time.monotonic())
        self._gathered.set()

    async def seal(self) -> None:
        """Turn gathered lines into batches on disk as soon as they are due."""
        while True:
            await self._gathered.wait()
            self._gathered = anyio.Event()
            while (due := self._due_in()) is not None:
                if due > 0:
                    with anyio.move_on_after(due):
                        await self._gathered.wait()
                        self._gathered = anyio.Event()
                    continue
                await self.flush()

    def _due_in(self) -> float | None:
        now = time.monotonic()
        due = [at for batcher in (self._logs, self._metrics) if (at := batcher.due_in(now)) is not None]
        return min(due, default=None)

    async def flush(self) -> None:
        """Spool whatever is gathered now."""
        for batcher, positions in ((self._logs, self.positions.snapshot()), (self._metrics, {})):
            if not batcher.empty:
                batch = batcher.seal(positions)
                await anyio.to_thread.run_sync(self.spool.put, batch)
                self._spooled.set()

    async def send_all(self) -> None:
        """Send batches, oldest first, for ever; a batch leaves the spool only once it was taken."""
        failures = 0
        while True:
            waiting = await anyio.to_thread.run_sync(self.spool.oldest)
            if waiting is None:
                await self._spooled.wait()
                self._spooled = anyio.Event()
                continue
            answer = await self.sender.send(waiting)
            outcome = verdict(answer.status)
            self.counters.batches.labels(outcome.value).inc()
            if outcome is Verdict.RETRY:
                failures += 1
                self._note_failure(failures, answer.status)
                await anyio.sleep(pause_before_retry(failures, answer.retry_after, self._jitter.random()))
                continue
            failures = 0
            if outcome is Verdict.QUARANTINE:
                self.log.error(
                    "a batch of {kind} was refused with {status} and set aside",
                    kind=Identifier(waiting.header.kind),
                    status=Status(answer.status or 0),
                )
                await anyio.to_thread.run_sync(self.spool.quarantine, waiting)
            else:
                await anyio.to_thread.run_sync(self.spool.delivered, waiting)

    def _note_failure(self, failures: int, status: int | None) -> None:
        if failures in (1, 10, 100):
            self.log.warning(
                "batches wait: attempt {failures} failed with {status} {reason}",
                failures=Count(failures),
                status=Status(status or 0),
                reason=Reason("NoAnswer" if status is None else "Refused"),
            )
