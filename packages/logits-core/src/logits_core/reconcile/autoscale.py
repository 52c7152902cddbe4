"""How many replicas a model should have: up at once, down slowly, to zero when nobody asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from logits_core.entities.model import JsonObject
from logits_core.reconcile.state import ScalingHistory


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the customer allows.

    Attributes:
        minimum: replicas that always run.
        maximum: replicas never exceeded.
        target: requests under way that one replica is meant for.
        zero_after: idle time after which the last replica stops, if the minimum is 0.
    """

    minimum: int
    maximum: int
    target: int
    zero_after: timedelta

    @classmethod
    def of(cls, spec: JsonObject) -> Bounds:
        """The bounds in the spec of a ModelDeployment."""
        minimum = max(0, spec.get("minReplicas", 1))
        return cls(
            minimum=minimum,
            maximum=max(1, minimum, spec.get("maxReplicas", 1)),
            target=max(1, spec.get("targetInFlight", 8)),
            zero_after=timedelta(seconds=spec.get("scaleToZeroAfterSeconds", 600)),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a model now, summed over all API Servers and LLM Servers.

    Attributes:
        under_way: requests being answered.
        waiting: requests that API Servers hold because no replica could take them.
        last_request_at: when the last request came or ended, as far as anybody knows.
    """

    under_way: int = 0
    waiting: int = 0
    last_request_at: datetime | None = None

    @property
    def busy(self) -> bool:
        """Whether anybody waits for an answer."""
        return self.under_way + self.waiting > 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """The decision.

    Attributes:
        replicas: how many should run now.
        history: to be given to the next decision.
        wake_at: when to decide again although nothing changed.
        why: the reason, in words.
    """

    replicas: int
    history: ScalingHistory
    wake_at: datetime | None
    why: str


def scale(
    bounds: Bounds,
    load: Load,
    *,
    current: int,
    ready: int,
    history: ScalingHistory | None,
    now: datetime,
    down_after: timedelta,
) -> Scaling:
    """Decide how many replicas should run.

    More replicas start as soon as the load asks for them. Fewer are only kept once fewer were
    enough for the whole of ``down_after``, as the highest wish within that time counts. The last
    replica stops when no request was under way for ``bounds.zero_after``.

    Args:
        bounds: what the customer allows.
        load: what is asked of the model.
        current: replicas wanted so far.
        ready: replicas that can take requests.
        history: of the last decision; None after a restart of the Controller.
        now: the time.
        down_after: how long fewer replicas must have been enough.
    """
    idle_since = _idle_since(load, history, now)
    if idle_since is not None and bounds.minimum == 0:
        zero_at = idle_since + bounds.zero_after
        if current == 0 or now >= zero_at:
            return Scaling(0, ScalingHistory(0, (), idle_since), None, "no requests")
    else:
        zero_at = None

    wanted = _wanted(bounds, load, current=current, ready=ready)
    # After a restart nobody knows the past: take what runs as a wish that held until now.
    before = history or ScalingHistory(current)
    until = _still_counting([*before.until, (now, before.wanted)], wanted, now - down_after)
    held = min(current, max((count for _, count in until), default=0))
    replicas = min(max(wanted, held), bounds.maximum)
    holding = [at for at, count in until if count >= replicas > wanted]
    wake = [max(holding) + down_after] if holding else []
    wake += [zero_at] if zero_at is not None else []
    return Scaling(
        replicas,
        ScalingHistory(wanted, until, idle_since),
        min(wake, default=None),
        _why(load, replicas, wanted, bounds),
    )


def _idle_since(load: Load, history: ScalingHistory | None, now: datetime) -> datetime | None:
    if load.busy:
        return None
    known = [moment for moment in (history and history.idle_since, load.last_request_at) if moment]
    # A clock that runs ahead must not keep a model running for longer than it was asked to.
    return min(max(known), now) if known else now


def _wanted(bounds: Bounds, load: Load, *, current: int, ready: int) -> int:
    wanted = -(-(load.under_way + load.waiting) // bounds.target)
    if load.waiting and ready >= current:
        # Requests wait although nothing is starting: what runs is not enough, whatever the target.
        wanted = max(wanted, current + 1)
    if bounds.minimum == 0:
        wanted = max(wanted, 1)  # here something runs or is asked for; stopping the last is decided above
    return min(max(wanted, bounds.minimum), bounds.maximum)


def _still_counting(
    wishes: list[tuple[datetime, int]], wanted: int, oldest: datetime
) -> tuple[tuple[datetime, int], ...]:
    """The wishes that are young enough and higher than every later one: what can still hold replicas."""
    kept: list[tuple[datetime, int]] = []
    highest = wanted
    for at, count in reversed(wishes):
        if at > oldest and count > highest:
            kept.append((at, count))
            highest = count
    return tuple(reversed(kept))


def _why(load: Load, replicas: int, wanted: int, bounds: Bounds) -> str:
    if replicas > wanted:
        return f"{wanted} would do now, but more were needed a moment ago"
    if load.busy:
        return f"{load.under_way} requests under way, {load.waiting} waiting, {bounds.target} per replica"
    return "the minimum" if replicas == bounds.minimum else "recently used"
