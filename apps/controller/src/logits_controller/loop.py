"""The Controller's loop: observe, plan, execute, and wait for the next change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import anyio

from logits_controller.metrics import Metrics
from logits_core.errors import LogitsError
from logits_core.reconcile import Apply, Delete, Desired, EntityWrite, Memory, Observed, Plan, plan
from logits_core.reconcile.leadership import in_charge
from logits_core.redaction import Count, Identifier
from logits_shell.kubernetes import Changes
from logits_shell.telemetry import Telemetry

Seen = Callable[[], bool]
Step = Apply | Delete | EntityWrite
_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
_GATHER_SECONDS = 0.1
_CATCH_UP_SECONDS = 2.0
_SIDE_BY_SIDE = 6


class World(Protocol):
    """What the loop looks at; every answer is a snapshot."""

    async def synced(self) -> None:
        """Wait until the cluster has been seen once."""
        ...

    def observe(self, memory: Memory) -> Observed:
        """What is."""
        ...

    def desired(self) -> Desired:
        """What should be."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """How steps are taken: each answers with a check whether the caches show the change."""

    kubernetes: Callable[[Apply | Delete], Awaitable[Seen]]
    entities: Callable[[EntityWrite], Awaitable[Seen]]


class ControlLoop:
    """Runs plans; it decides nothing itself.

    Args:
        world: what to look at.
        hands: how to take steps.
        changes: rung when the world changes.
        clock: the time.
        telemetry: log and health.
        metrics: counters.

    Attributes:
        last: the last plan; None before the first.
        rounds: rung after every round.
    """

    def __init__(
        self,
        world: World,
        hands: Hands,
        *,
        changes: Changes,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
        metrics: Metrics,
    ) -> None:
        self.last: Plan | None = None
        self.rounds = Changes()
        self._world = world
        self._hands = hands
        self._changes = changes
        self._clock = clock
        self._telemetry = telemetry
        self._metrics = metrics
        self._memory = Memory()
        self._failures = 0
        telemetry.health.set("cluster", ready=False, reason="waiting for the first look at the cluster")
        telemetry.health.set("reconcile", ready=False, reason="waiting for the first plan to succeed")

    async def run(self) -> None:
        """Reconcile for ever."""
        await self._world.synced()
        self._telemetry.health.set("cluster", ready=True)
        while True:
            seen = self._changes.count
            wake_at = await self.round()
            self.rounds.ring()
            await self._wait(seen, wake_at)

    async def round(self) -> datetime | None:
        """Make one plan and execute it; return when to look again at the latest."""
        desired = self._world.desired()
        observed = self._world.observe(self._memory)
        leads = in_charge(desired.release, observed.deployments)
        self._metrics.in_charge.set(leads)
        if not leads:
            self._telemetry.health.set("reconcile", ready=True)
            return None
        decided = plan(observed, desired, self._clock())
        self.last, self._memory = decided, decided.memory
        failed, seen = await self._execute(decided)
        self._metrics.rounds.inc()
        self._failures = self._failures + 1 if failed else 0
        await self._caught_up(seen)
        return decided.wake_at

    async def _execute(self, decided: Plan) -> tuple[int, list[Seen]]:
        taken = await self._take_all([[step] for step in decided.steps])
        refused = sum(isinstance(answer, LogitsError) for answer in taken)
        # Being ready means that Kubernetes takes what the release asks for; the Entity DB may be
        # away, because it is one of the things that are deployed here.
        self._telemetry.health.set(
            "reconcile", ready=not refused, reason="Kubernetes or the Gateway refuses steps; see the log"
        )
        by_entity: defaultdict[tuple[str, str], list[Step]] = defaultdict(list)
        for write in decided.statuses:
            by_entity[write.plural, write.name].append(write)
        taken += await self._take_all(list(by_entity.values()))
        seen = [answer for answer in taken if not isinstance(answer, LogitsError)]
        return len(taken) - len(seen), seen

    async def _take_all(self, chains: Sequence[Sequence[Step]]) -> list[Seen | LogitsError]:
        """Take chains of steps side by side, a few at a time; a chain ends at its first failure."""
        taken: list[Seen | LogitsError] = []
        places = anyio.CapacityLimiter(_SIDE_BY_SIDE)

        async def take(chain: Sequence[Step]) -> None:
            async with places:
                for step in chain:
                    taken.append(await self._take(step))
                    if isinstance(taken[-1], LogitsError):
                        break

        async with anyio.create_task_group() as group:
            for chain in chains:
                group.start_soon(take, chain)
        return taken

    async def _take(self, step: Step) -> Seen | LogitsError:
        action = _action(step)
        try:
            if isinstance(step, EntityWrite):
                seen = await self._hands.entities(step)
            else:
                seen = await self._hands.kubernetes(step)
        except LogitsError as error:
            self._metrics.steps.labels(action, "failed").inc()
            self._telemetry.log.warning(
                "{action} failed with {code}: {step}: {message}",
                action=Identifier(action),
                code=Identifier(error.code.value),
                step=str(step),
                message=error.message,
            )
            return error
        self._metrics.steps.labels(action, "done").inc()
        self._telemetry.log.info("{action} done: {step}", action=Identifier(action), step=str(step))
        return seen

    async def _caught_up(self, checks: Sequence[Seen]) -> None:
        """Wait until the caches show what was written, so that no step is taken twice."""
        with anyio.move_on_after(_CATCH_UP_SECONDS) as scope:
            count = self._changes.count
            while not all(check() for check in checks):
                count = await self._changes.wait(count)
        if scope.cancelled_caught:
            self._telemetry.log.warning(
                "the caches don't show {steps} steps yet; planning again", steps=Count(len(checks))
            )

    async def _wait(self, seen: int, wake_at: datetime | None) -> None:
        pauses: list[float] = []
        if wake_at is not None:
            pauses.append(max(0.0, (wake_at - self._clock()).total_seconds()))
        if self._failures:
            pauses.append(_RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS)) - 1])
        with anyio.move_on_after(min(pauses)) if pauses else anyio.CancelScope():
            await self._changes.wait(seen)
        await anyio.sleep(_GATHER_SECONDS)  # changes come in bursts; one plan answers them all


def _action(step: Step) -> str:
    if isinstance(step, EntityWrite):
        return f"entity-{step.verb}"
    return "apply" if isinstance(step, Apply) else "delete"
