"""Steps of a control loop's plan: what the executor may do, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from logits_shell.kubernetes.resources import KubernetesObject, Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Create this object; losing a race to another creator is no error."""

    resource: Resource
    manifest: KubernetesObject


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge ``patch`` into one object, or into its status when ``status`` is set.

    A patch of the desired state carries ``metadata.resourceVersion`` where acting on a stale view
    would do harm.
    """

    resource: Resource
    namespace: str
    name: str
    patch: KubernetesObject
    status: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one object, and only the one with this uid."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Bind:
    """Assign a pod to a node."""

    namespace: str
    name: str
    uid: str
    node: str


Step = Create | Patch | Delete | Bind


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again even if nothing changes.

    Attributes:
        steps: in order.
        wake_at: the next time at which the passing of time alone changes the plan.
    """

    steps: tuple[Step, ...] = ()
    wake_at: datetime | None = field(default=None)

    def __add__(self, other: Plan) -> Plan:
        wakes = [at for at in (self.wake_at, other.wake_at) if at is not None]
        return Plan(self.steps + other.steps, min(wakes, default=None))
