"""The rollout plan: from what runs and what should run to the next step, with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from logits_core.rollout.agreement import Accepted
from logits_core.rollout.progress import Progress


class Phase(StrEnum):
    """Where a rollout stands."""

    IDLE = "Idle"
    VERIFYING = "Verifying"
    ROLLING_OUT = "RollingOut"
    READY = "Ready"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    HELD = "Held"


WAITING = "no release is published for this environment yet"
STARTING = "the Controller of the desired release is starting"
LATE = "the Controller is not ready within its deadline and no earlier release may run; see its pod's log"
RUNNING = "the desired release runs"
BACK = "the Controller of the desired release did not become ready in time; the last good one runs"
RETURNING = "the Controller of the desired release did not become ready in time; going back to the last good one"
RESTARTING = "the Controller of the running release is not ready; Kubernetes restarts it"
"""Messages are literals of ours: they may leave the cluster."""


@dataclass(frozen=True, slots=True)
class ControllerObserved:
    """The Controller's Deployment as the cluster has it.

    Attributes:
        manifest: digest of the manifest that was last applied, empty when there is no Deployment.
        ready: whether all of its pods are of that manifest and ready.
    """

    manifest: str = ""
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """What the Gateway wants.

    Attributes:
        progress: accepted and good releases.
        accepted_manifest: digest of the accepted release's Controller manifest; empty without one.
        good_manifest: the same of the last good release.
        deadline: seconds that a Controller has to become ready.
        refusal: why the newest offer was refused, empty when it wasn't.
        good_allowed: whether the offline keys still let the last good release start; a recalled one isn't gone back to.
        hold: what of the customer's a newer release waits for, empty when none waits.
    """

    progress: Progress
    accepted_manifest: str
    good_manifest: str
    deadline: float
    refusal: str = ""
    good_allowed: bool = True
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step of a rollout.

    Attributes:
        progress: to be stored before anything else is done.
        apply: the release whose Controller is to be applied, None when it already is.
        phase: where the rollout stands.
        message: why, in words.
        running: the release whose Controller is ready, None while none is.
        wake_at: when to plan again even if nothing changes, None for never.
    """

    progress: Progress
    apply: Accepted | None
    phase: Phase
    message: str
    running: Accepted | None = None
    wake_at: float | None = None


def plan(observed: ControllerObserved, desired: Desired, now: float) -> Plan:
    """Decide the next step.

    Args:
        observed: the Controller's Deployment.
        desired: what should run.
        now: seconds since the epoch.
    """
    progress = desired.progress
    if progress.accepted is None:
        return Plan(progress, None, *_at_rest(desired, Phase.IDLE, WAITING))
    if progress.target is progress.accepted:
        return _forward(observed, desired, progress.accepted, now)
    return _back(observed, desired, progress)


def _at_rest(desired: Desired, phase: Phase, message: str) -> tuple[Phase, str]:
    """The phase of what runs, unless there is news about what doesn't."""
    if desired.refusal:
        return Phase.REFUSED, desired.refusal
    return (Phase.HELD, desired.hold) if desired.hold else (phase, message)


def _forward(observed: ControllerObserved, desired: Desired, target: Accepted, now: float) -> Plan:
    progress = desired.progress
    applied = observed.manifest == desired.accepted_manifest
    if applied and observed.ready:
        progress = replace(progress, good=target)
        return Plan(progress, None, *_at_rest(desired, Phase.READY, RUNNING), running=target)
    good = progress.good
    if good == target:
        # There is nothing to go back to, and nothing new on its way.
        step = None if applied else target
        return Plan(progress, step, Phase.ROLLING_OUT, RESTARTING, running=target)
    deadline = progress.since + desired.deadline
    if good is not None and desired.good_allowed and now >= deadline:
        failed = replace(progress, failed=target.release.counter)
        return _back(observed, replace(desired, progress=failed), failed)
    late = now >= deadline
    return Plan(
        progress,
        None if applied else target,
        Phase.ROLLING_OUT,
        LATE if late else STARTING,
        wake_at=None if late else deadline,
    )


def _back(observed: ControllerObserved, desired: Desired, progress: Progress) -> Plan:
    good = progress.good
    applied = observed.manifest == desired.good_manifest
    if applied and observed.ready:
        return Plan(progress, None, *_at_rest(desired, Phase.ROLLED_BACK, BACK), running=good)
    return Plan(progress, None if applied else good, Phase.ROLLED_BACK, RETURNING)
