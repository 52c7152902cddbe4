"""Supervision of one engine: what happened so far in, the phase and the next step out.

    Starting -> LoadingWeights -> Ready -> Draining
        ^            |              |
        +--- pause --+---- exit ----+       after several exits in a row: Failed (and rare further attempts)

Ready means that this very process generated a token. Pauses double from half a second; a process that stayed
ready for a minute wipes the slate clean. A failure that won't mend by itself (a file that is no model, a
budget that is too small) counts as Failed at once, and is tried again once a minute in case somebody mends it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
FAILURES_UNTIL_FAILED: Final = 3
STABLE_SECONDS: Final = 60.0


class Phase(StrEnum):
    """How far an engine is, in the words of the LLMServer entity."""

    STARTING = "Starting"
    LOADING_WEIGHTS = "LoadingWeights"
    READY = "Ready"
    DRAINING = "Draining"
    FAILED = "Failed"


class Step(StrEnum):
    """What the executor has to do next."""

    START = "start"
    PROBE = "probe"
    STOP = "stop"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known of one engine; times in seconds of any steady clock.

    Attributes:
        started_at: when the running process was started; None while none runs.
        loaded: the process says that its weights are in memory.
        ready_since: when the process generated its first token for us; None before.
        in_flight: requests under way.
        failures: exits and refusals in a row.
        failed_at: when the last of them happened.
        reason: what it was, in words.
        hopeless: it won't mend by itself.
    """

    started_at: float | None = None
    loaded: bool = False
    ready_since: float | None = None
    in_flight: int = 0
    failures: int = 0
    failed_at: float = 0.0
    reason: str = ""
    hopeless: bool = False

    def started(self, now: float) -> Self:
        """Return this after a process was started."""
        return replace(self, started_at=now, loaded=False, ready_since=None)

    def with_weights(self) -> Self:
        """Return this after the process said that its weights are loaded."""
        return replace(self, loaded=True)

    def answered(self, now: float) -> Self:
        """Return this after the process generated a token."""
        return replace(self, ready_since=now)

    def failed(self, now: float, reason: str, *, hopeless: bool = False) -> Self:
        """Return this after the process ended by itself, or couldn't be started."""
        stable = self.ready_since is not None and now - self.ready_since >= STABLE_SECONDS
        return replace(
            self,
            started_at=None,
            loaded=False,
            ready_since=None,
            failures=1 if stable else self.failures + 1,
            failed_at=now,
            reason=reason,
            hopeless=hopeless,
        )

    def stopped(self) -> Self:
        """Return this after the process was ended on purpose."""
        return replace(self, started_at=None, loaded=False, ready_since=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the LLM Server wants of the engine.

    Attributes:
        load_seconds: how long loading may take before the process counts as stuck.
        drain_until: when the engine must be gone; None while it shall serve.
    """

    load_seconds: float
    drain_until: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The engine's phase, and what to do.

    Attributes:
        phase: for the report.
        message: for people: why it isn't ready, and what to do.
        step: to be carried out now.
        again_at: when to plan again even if nothing happens; None for only then.
    """

    phase: Phase
    message: str
    step: Step
    again_at: float | None = None


def plan(observed: Observed, desired: Desired, now: float) -> Plan:
    """Decide the phase and the next step of one engine."""
    if desired.drain_until is not None:
        return _drain(observed, desired.drain_until, now)
    if observed.started_at is None:
        return _start(observed, now)
    if observed.ready_since is not None:
        return Plan(Phase.READY, "The engine answers.", Step.WAIT)
    if observed.loaded:
        return Plan(Phase.LOADING_WEIGHTS, "The weights are loaded; a first token is awaited.", Step.PROBE)
    until = observed.started_at + desired.load_seconds
    if now >= until:
        message = f"The engine did not finish loading within {desired.load_seconds:g} seconds."
        return Plan(Phase.LOADING_WEIGHTS, message, Step.STOP)
    if _given_up(observed):
        # Until the new process has shown more than its predecessors, the deployment's state doesn't flap.
        return Plan(Phase.FAILED, f"{observed.reason} Another attempt is under way.", Step.WAIT, until)
    return Plan(Phase.LOADING_WEIGHTS, "The engine is loading the model's weights.", Step.WAIT, until)


def pause_after(failures: int, *, hopeless: bool) -> float:
    """Return the seconds between a failure and the next attempt."""
    if hopeless:
        return LONGEST_PAUSE_SECONDS
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 16))


def _start(observed: Observed, now: float) -> Plan:
    if observed.failures == 0:
        return Plan(Phase.STARTING, "The engine is being started.", Step.START)
    pause = pause_after(observed.failures, hopeless=observed.hopeless)
    again_at = observed.failed_at + pause
    if now >= again_at:
        phase = Phase.FAILED if _given_up(observed) else Phase.STARTING
        return Plan(phase, observed.reason, Step.START)
    if not _given_up(observed):
        message = f"{observed.reason} The engine starts again within {pause:g} seconds."
        return Plan(Phase.STARTING, message, Step.WAIT, again_at)
    times = "" if observed.hopeless else f" This happened {observed.failures} times in a row."
    message = f"{observed.reason}{times} It is tried again every {pause:g} seconds."
    return Plan(Phase.FAILED, message, Step.WAIT, again_at)


def _given_up(observed: Observed) -> bool:
    return observed.hopeless or observed.failures >= FAILURES_UNTIL_FAILED


def _drain(observed: Observed, until: float, now: float) -> Plan:
    if observed.started_at is None:
        return Plan(Phase.DRAINING, "The engine has stopped.", Step.WAIT)
    if observed.in_flight == 0 or now >= until:
        return Plan(Phase.DRAINING, "The engine is being stopped.", Step.STOP)
    count = observed.in_flight
    return Plan(Phase.DRAINING, f"Requests still under way: {count}.", Step.WAIT, until)
