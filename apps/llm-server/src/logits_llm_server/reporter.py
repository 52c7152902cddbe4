"""The report loop: keeps this server's LLMServer entity true, without writing more than it must."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio

from logits_core.engines.load import EngineLoad
from logits_core.engines.reporting import Report, Written, combined_load, seconds_until_due
from logits_core.engines.served_model import ServedModel
from logits_core.entities.model import JsonObject
from logits_core.errors import ErrorCode, LogitsError
from logits_llm_server.loop import EngineSupervisor
from logits_llm_server.metrics import Metrics
from logits_llm_server.news import News
from logits_llm_server.relaying import Traffic
from logits_shell.entities import EntityClient
from logits_shell.log import Logger

PLURAL: Final = "llmservers"
BUSY_LOOK_SECONDS: Final = 1.0
"""How often a busy engine is asked for its figures; an idle one isn't asked at all."""
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Place:
    """Who this LLM Server is: the entity's name and spec."""

    name: str
    deployment: str
    address: str
    port: int


class Reporter:
    """Writes one LLMServer entity.

    Args:
        client: speaks with the Entity DB.
        place: name and spec of the entity.
        model: what is served.
        supervisor: knows the engine's phase and figures.
        traffic: knows the requests under way.
        news: wakes the loop.
        metrics: told of figures and of reports.
        log: told when the Entity DB is away.
        clock: returns seconds of a steady clock.
        timestamp: returns the time as RFC 3339 UTC.
    """

    def __init__(
        self,
        client: EntityClient,
        place: Place,
        model: ServedModel,
        *,
        supervisor: EngineSupervisor,
        traffic: Traffic,
        news: News,
        metrics: Metrics,
        log: Logger,
        clock: Callable[[], float],
        timestamp: Callable[[], str],
    ) -> None:
        self._client = client
        self._place = place
        self._model = model
        self._supervisor = supervisor
        self._traffic = traffic
        self._news = news
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._timestamp = timestamp
        self._written: Written | None = None
        self._failures = 0

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            seen = self._news.count
            report = await self._report()
            due = seconds_until_due(self._written, report, self._clock())
            if due <= 0:
                await self._write(report)
                continue
            active = self._traffic.in_flight > 0 or report.busy
            await self._news.after(seen, min(due, BUSY_LOOK_SECONDS) if active else due)

    async def withdraw(self) -> None:
        """Delete the report at an orderly end; the Controller does it for any other end."""
        try:
            await self._client.delete(PLURAL, self._place.name)
        except LogitsError as error:
            self._log.debug("the report was not withdrawn: {reason}", reason=error.message)

    async def _report(self) -> Report:
        decided = self._supervisor.plan
        in_flight = self._traffic.in_flight
        engine_load = await self._engine_load(in_flight)
        load = combined_load(engine_load, in_flight, self._model.parallel)
        self._metrics.waiting.set(load.waiting)
        self._metrics.kv_usage.set(load.kv_usage)
        return Report(
            phase=decided.phase,
            message=decided.message,
            engine=self._supervisor.engine.name,
            engine_version=self._supervisor.version,
            load=load,
            slots=self._model.parallel,
            context_length=self._model.context_length,
        )

    async def _engine_load(self, in_flight: int) -> EngineLoad:
        """Ask a busy engine, and one that was busy at the last report; an idle one has no load."""
        endpoint = self._supervisor.endpoint
        was_busy = self._written is not None and self._written.report.busy
        if endpoint is None or not (in_flight or was_busy):
            return EngineLoad()
        try:
            return await self._supervisor.engine.load(endpoint)
        except LogitsError as error:
            self._log.debug("the engine's figures are missing: {reason}", reason=error.message)
            return EngineLoad()

    async def _write(self, report: Report) -> None:
        try:
            await self._send(report)
        except LogitsError as error:
            self._metrics.reports.labels("failed").inc()
            if self._failures == 0:
                self._log.warning("the report could not be written: {reason}", reason=error.message)
            self._failures += 1
            pause = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(self._failures - 1, 8))
            await anyio.sleep(pause)
        else:
            self._metrics.reports.labels("ok").inc()
            self._failures = 0
            self._written = Written(report, self._clock())

    async def _send(self, report: Report) -> None:
        status = report.to_status(self._timestamp())
        name = self._place.name
        if self._written is None:
            await self._introduce()
        try:
            await self._client.patch_status(PLURAL, name, status)
        except LogitsError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            await self._introduce()
            await self._client.patch_status(PLURAL, name, status)

    async def _introduce(self) -> None:
        """Create the entity, or correct the one that an earlier life of this pod left."""
        spec: JsonObject = {
            "deployment": self._place.deployment,
            "model": self._model.name,
            "address": self._place.address,
            "port": self._place.port,
        }
        labels = {"logits.ai/component": "llm-server", "logits.ai/model-deployment": self._place.deployment}
        try:
            await self._client.create(PLURAL, self._place.name, spec, labels=labels)
        except LogitsError as error:
            if error.code is not ErrorCode.ALREADY_EXISTS:
                raise
            await self._client.patch(PLURAL, self._place.name, {"spec": spec, "metadata": {"labels": labels}})
