"""The rolling update's arithmetic: which ReplicaSet may grow or shrink next, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from logits_local.controllers.objects import name, part
from logits_shell.kubernetes.resources import KubernetesObject


@dataclass(frozen=True, slots=True)
class ScaledSet:
    """A ReplicaSet with the numbers that rolling needs; availability never exceeds what is wanted."""

    item: KubernetesObject
    replicas: int
    available: int

    @classmethod
    def of(cls, item: KubernetesObject) -> ScaledSet:
        """Read the numbers from a ReplicaSet."""
        replicas = int(item["spec"]["replicas"])
        return cls(item, replicas, min(int(part(item, "status").get("availableReplicas") or 0), replicas))


def rolling_bounds(deployment: KubernetesObject) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; surge rounds up, unavailable down, never both zero."""
    wanted = int(deployment["spec"]["replicas"])
    strategy = part(deployment["spec"], "strategy")
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = part(strategy, "rollingUpdate")
    surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(value: int | str, wanted: int, rounding: Callable[[float], int]) -> int:
    return value if isinstance(value, int) else rounding(int(value.removesuffix("%")) * wanted / 100)


def rolling_targets(wanted: int, bounds: tuple[int, int], new: ScaledSet, old: list[ScaledSet]) -> dict[str, int]:
    """The ReplicaSets to scale next and to what; empty when nothing may change now.

    The new one grows while the total stays within maxSurge; the old ones shrink, those that
    aren't available first, while maxUnavailable holds.
    """
    surge, unavailable = bounds
    total = new.replicas + sum(entry.replicas for entry in old)
    grown = min(wanted, new.replicas + max(0, wanted + surge - total))
    if grown != new.replicas:
        return {name(new.item): grown}
    spare = total - (wanted - unavailable) - (new.replicas - new.available)
    healthy = new.available + sum(entry.available for entry in old) - (wanted - unavailable)
    targets: dict[str, int] = {}
    for entry in old:
        broken = min(entry.replicas - entry.available, max(0, spare))
        spare -= broken
        working = min(entry.available, max(0, healthy))
        healthy -= working
        if broken + working:
            targets[name(entry.item)] = entry.replicas - broken - working
    return targets
