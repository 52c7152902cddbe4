"""One container over its life: start, probes, end, restart with back-off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from logits_core.errors import LogitsError
from logits_core.redaction import Count, Status
from logits_local.nodes.environment import ConfigError
from logits_local.nodes.logfile import LogFile, forget_logs
from logits_local.nodes.probes import ProbeTarget, Tally, look
from logits_local.nodes.process import ContainerProcess
from logits_local.nodes.settings import KubeletSettings
from logits_local.nodes.status import ContainerRecord, Running, Terminated, Waiting

_FAST_PERIOD = 0.25
_FAST_SECONDS = 15.0
"""A container that isn't ready yet is looked at more often in its first seconds, so that start-up
doesn't wait for the probe's period; failures don't count against it any faster."""
_START_FAILED = 128


@dataclass(frozen=True, slots=True)
class Launch:
    """All that starting a container's process needs."""

    argv: list[str]
    env: dict[str, str]
    directory: Path
    target: ProbeTarget


class ContainerRunner:
    """Runs one container until it is stopped or its pod lets it rest.

    Args:
        spec: the container's spec.
        record: its state, kept up to date here.
        prepare: resolves image, environment and paths anew for each start.
        logs: the directory of its log files.
        restarts: whether it is started again after its end.
        settings: the kubelet's settings.
        changed: called after every change of the record.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        record: ContainerRecord,
        *,
        prepare: Callable[[Mapping[str, Any]], Awaitable[Launch]],
        logs: Path,
        restarts: bool,
        settings: KubeletSettings,
        changed: Callable[[], None],
    ) -> None:
        self.record = record
        self._spec = spec
        self._prepare = prepare
        self._logs = logs
        self._restarts = restarts
        self._settings = settings
        self._changed = changed
        self._stop = anyio.Event()
        self._grace = 30.0
        self._back_off = 0.0

    def stop(self, grace: float) -> None:
        """End the container: SIGTERM now, SIGKILL after ``grace`` seconds; no restart."""
        self._grace = grace
        self._stop.set()

    async def run(self) -> None:
        """Start and restart until stopped or done."""
        while not self._stop.is_set():
            launch = await self._ready_to_launch()
            if launch is None:
                continue
            lived = await self._run_once(launch)
            if self._stop.is_set() or not self._restarts:
                return
            await self._pause(lived)
            if not self._stop.is_set():
                self.record.restarts += 1

    async def _ready_to_launch(self) -> Launch | None:
        """What to start; None after a pause when something it needs is missing."""
        try:
            return await self._prepare(self._spec)
        except ConfigError as failure:
            self._set(Waiting("CreateContainerConfigError", str(failure)))
        except LogitsError as failure:
            self._set(Waiting(failure.reason or "CreateContainerError", failure.message))
        await self._sleep(self._settings.first_back_off)
        return None

    async def _run_once(self, launch: Launch) -> float:
        """Run the process to its end; how many seconds it lived."""
        log = LogFile(self._logs / f"{self.record.restarts}.log")
        forget_logs(self._logs, older_than=self.record.restarts - 1)
        started = self._settings.clock()
        try:
            process = ContainerProcess(launch.argv, env=launch.env, directory=launch.directory, log=log)
        except OSError as failure:
            log.close()
            text = f"cannot start {launch.argv[0]}: {failure}"
            self._end(Terminated(_START_FAILED, started, started, message=text, reason="StartError"))
            return 0.0
        self.record.container_id = f"process://{process.pid}-{int(started.timestamp() * 1000)}"
        self.record.ready = "readinessProbe" not in self._spec
        self._set(Running(started))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_when_stopped, process)
                group.start_soon(self._probe, process, launch.target)
                await process.exited.wait()
                group.cancel_scope.cancel()
        finally:
            process.kill()
        ended = self._settings.clock()
        message = log.tail() if process.exit_code and self._falls_back_to_log else ""
        self._end(Terminated(process.exit_code, started, ended, self.record.container_id, message))
        self._settings.log.info(
            "container {container} ended with {code} after {restarts} restarts",
            container=self.record.name,
            code=Status(process.exit_code),
            restarts=Count(self.record.restarts),
        )
        return (ended - started).total_seconds()

    @property
    def _falls_back_to_log(self) -> bool:
        return self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"

    async def _pause(self, lived: float) -> None:
        """Wait before a restart: not at all the first time, then doubling."""
        if lived >= self._settings.back_off_reset:
            self._back_off = 0.0
        pause = self._back_off
        if isinstance(self.record.state, Terminated):
            self.record.last = self.record.state
        if pause:
            text = f"back-off {pause:g}s restarting failed container={self.record.name}"
            self._set(Waiting("CrashLoopBackOff", text))
            await self._sleep(pause)
        self._back_off = min(self._settings.longest_back_off, max(self._settings.first_back_off, 2 * pause))

    async def _sleep(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stop.wait()

    def _end(self, state: Terminated) -> None:
        self.record.ready = False
        self._set(state)

    def _set(self, state: Waiting | Running | Terminated) -> None:
        if self.record.state != state:
            self.record.state = state
            self._changed()

    async def _end_when_stopped(self, process: ContainerProcess) -> None:
        await self._stop.wait()
        self.record.ready = False
        self._changed()
        await self._finish(process, self._grace)

    @staticmethod
    async def _finish(process: ContainerProcess, grace: float) -> None:
        process.terminate()
        with anyio.move_on_after(grace):
            await process.exited.wait()
        process.kill()

    # -- probes

    async def _probe(self, process: ContainerProcess, target: ProbeTarget) -> None:
        async with anyio.create_task_group() as group:
            if "readinessProbe" in self._spec:
                group.start_soon(self._watch, self._spec["readinessProbe"], target, False, self._on_readiness)
            if "livenessProbe" in self._spec:
                on_liveness = partial(self._on_liveness, process)
                group.start_soon(self._watch, self._spec["livenessProbe"], target, True, on_liveness)

    async def _watch(
        self,
        probe: Mapping[str, Any],
        target: ProbeTarget,
        passing: bool,
        verdict: Callable[[bool], Awaitable[None]],
    ) -> None:
        """Look again and again; ``verdict`` hears of changes."""
        period = float(probe["periodSeconds"])
        tally = Tally(probe["successThreshold"], probe["failureThreshold"], passing)
        began = counted_at = anyio.current_time()
        await anyio.sleep(probe.get("initialDelaySeconds", 0))
        while True:
            success = await look(probe, target)
            now = anyio.current_time()
            if success or now >= counted_at + period or now >= began + _FAST_SECONDS:
                counted_at = now
                if tally.count(success):
                    await verdict(tally.passing)
            early = not tally.passing and now < began + _FAST_SECONDS
            await anyio.sleep(min(period, _FAST_PERIOD) if early else period)

    async def _on_readiness(self, passing: bool) -> None:
        if self.record.ready is not passing and not self._stop.is_set():
            self.record.ready = passing
            self._changed()

    async def _on_liveness(self, process: ContainerProcess, passing: bool) -> None:
        if not passing:
            self._settings.log.warning("container {container} failed its liveness probe", container=self.record.name)
            await self._finish(process, self._grace)
