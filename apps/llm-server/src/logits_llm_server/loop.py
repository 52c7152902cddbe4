"""The supervision loop: carries out, for one engine, whatever the plan says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import anyio
from anyio.abc import TaskGroup

from logits_core.engines.diagnosis import LAST_WORDS, Ending
from logits_core.engines.supervision import Desired, Observed, Phase, Plan, Step, plan
from logits_core.errors import LogitsError
from logits_core.redaction import Count, Identifier, Reason, Seconds
from logits_llm_server.engine import Endpoint, Engine
from logits_llm_server.metrics import Metrics
from logits_llm_server.news import News
from logits_shell.log import Logger

GONE_SECONDS: Final = 1.0
"""How long a failed probe waits for news that the process is gone, which explains more."""


class EngineSupervisor:
    """Keeps one engine running and knows how far it is.

    Args:
        engine: runs the process.
        news: told of every change; wakes the loop.
        in_flight: returns the requests under way.
        load_seconds: how long loading may take.
        metrics: told of starts and failures.
        log: told of every change of phase.
        clock: returns seconds of a steady clock.
    """

    def __init__(
        self,
        engine: Engine,
        news: News,
        *,
        in_flight: Callable[[], int],
        load_seconds: float,
        metrics: Metrics,
        log: Logger,
        clock: Callable[[], float],
    ) -> None:
        self.engine = engine
        self._news = news
        self._in_flight = in_flight
        self._desired = Desired(load_seconds=load_seconds)
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._observed = Observed()
        self._loaded: Endpoint | None = None
        self._process = anyio.CancelScope()
        self._gone = anyio.Event()
        self.plan = Plan(Phase.STARTING, "The LLM Server is starting.", Step.WAIT)

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the engine answers; None while it isn't ready."""
        return self._loaded if self._observed.ready_since is not None else None

    @property
    def version(self) -> str:
        """The engine's version, empty until it has loaded."""
        return self._loaded.version if self._loaded else ""

    def drain(self, seconds: float) -> None:
        """Stop the engine as soon as nothing is under way, or after ``seconds``; it isn't started again."""
        if self._desired.drain_until is None:
            self._desired = replace(self._desired, drain_until=self._clock() + seconds)
            self._news.tell()

    async def run(self) -> None:
        """Supervise until cancelled; the engine is gone afterwards."""
        async with anyio.create_task_group() as group:
            while True:
                seen, now = self._news.count, self._clock()
                observed = replace(self._observed, in_flight=self._in_flight())
                self._adopt(plan(observed, self._desired, now))
                match self.plan.step:
                    case Step.START:
                        self._start(group, now)
                    case Step.PROBE:
                        await self._probe()
                    case Step.STOP:
                        await self._stop()
                    case Step.WAIT:
                        await self._news.after(seen, (self.plan.again_at or float("inf")) - now)

    def _adopt(self, decided: Plan) -> None:
        changed = decided.phase is not self.plan.phase or decided.message != self.plan.message
        self.plan = decided
        self._metrics.ready.set(decided.phase is Phase.READY)
        if changed:
            self._log.info(
                "engine {engine} is {phase}: {message}",
                engine=Identifier(self.engine.name),
                phase=Reason(decided.phase.value),
                message=decided.message,
            )
            self._news.tell()

    def _start(self, group: TaskGroup, now: float) -> None:
        self._observed = self._observed.started(now)
        self._process, self._gone = anyio.CancelScope(), anyio.Event()
        self._metrics.starts.inc()
        group.start_soon(self._run_process, self._process, self._gone)

    async def _run_process(self, scope: anyio.CancelScope, gone: anyio.Event) -> None:
        ending: Ending | None = None
        try:
            with scope:
                ending = await self._ending()
        finally:
            self._loaded = None
            if ending is not None:
                self._failed(ending)
            gone.set()
            self._news.tell()

    async def _ending(self) -> Ending:
        try:
            return await self.engine.run(self._weights_loaded)
        except LogitsError as error:
            return Ending(error.message, hopeless=True)
        except OSError as error:
            return Ending(f"The engine could not be started: {error.strerror or error}.")

    def _weights_loaded(self, endpoint: Endpoint) -> None:
        self._loaded = endpoint
        self._observed = self._observed.with_weights()
        if self._observed.started_at is not None:
            self._log.info(
                "engine {engine} loaded its weights in {seconds}",
                engine=Identifier(self.engine.name),
                seconds=Seconds(round(self._clock() - self._observed.started_at, 3)),
            )
        self._news.tell()

    async def _probe(self) -> None:
        endpoint, seen = self._loaded, self._news.count
        if endpoint is None:
            return
        try:
            await self.engine.probe(endpoint)
        except LogitsError as error:
            await self._news.after(seen, GONE_SECONDS)
            if self._observed.started_at is not None:
                await self._end_process()
                self._failed(Ending(error.message, last_words=tuple(self.engine.last_lines)[-LAST_WORDS:]))
        else:
            if self._loaded is endpoint:
                self._observed = self._observed.answered(self._clock())
        self._news.tell()

    async def _stop(self) -> None:
        await self._end_process()
        if self._desired.drain_until is None:
            self._failed(Ending(self.plan.message))
        else:
            self._observed = self._observed.stopped()

    async def _end_process(self) -> None:
        self._process.cancel()
        await self._gone.wait()

    def _failed(self, ending: Ending) -> None:
        self._observed = self._observed.failed(self._clock(), ending.reason, hopeless=ending.hopeless)
        self._metrics.failures.labels("hopeless" if ending.hopeless else "ended").inc()
        self._log.warning(
            "engine {engine} failed, {failures} in a row: {reason}",
            engine=Identifier(self.engine.name),
            failures=Count(self._observed.failures),
            reason=ending.reason,
        )
        for line in ending.last_words:
            self._log.info("the engine's last words: {line}", line=line)
