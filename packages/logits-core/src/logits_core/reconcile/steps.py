"""The steps of a plan: everything that the executor can do, without a choice left in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from logits_core.entities.model import JsonObject
from logits_core.reconcile.state import Memory


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply a manifest to Kubernetes by server-side apply."""

    manifest: JsonObject
    why: str

    def __str__(self) -> str:
        return f"apply {self.manifest['kind']} {self.manifest['metadata']['name']}: {self.why}"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one incarnation of a Kubernetes object."""

    api_version: str
    kind: str
    name: str
    uid: str
    why: str

    def __str__(self) -> str:
        return f"delete {self.kind} {self.name}: {self.why}"


@dataclass(frozen=True, slots=True)
class EntityWrite:
    """Change the Entity DB.

    Attributes:
        verb: ``create`` makes the entity if it is missing, ``status`` replaces its status, and
            ``delete`` removes it if it still is at ``resource_version``.
        plural: kind, as in paths.
        name: of the entity.
        status: the new status.
        resource_version: the revision that the decision was made on.
        why: in words.
    """

    verb: Literal["create", "status", "delete"]
    plural: str
    name: str
    why: str
    status: JsonObject = field(default_factory=dict[str, object])
    resource_version: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.plural}/{self.name}: {self.why}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    Attributes:
        steps: changes to Kubernetes, in order.
        statuses: changes to the Entity DB, in order.
        memory: to be given to the next plan.
        wake_at: when to plan again although nothing changed.
    """

    steps: tuple[Apply | Delete, ...] = ()
    statuses: tuple[EntityWrite, ...] = ()
    memory: Memory = field(default_factory=Memory)
    wake_at: datetime | None = None

    def explain(self) -> tuple[str, ...]:
        """Every step with its reason, one line each."""
        return tuple(str(step) for step in (*self.steps, *self.statuses))


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of the moments that are set."""
    return min((moment for moment in moments if moment is not None), default=None)
