"""Sources: where the API Server learns of models, LLM Servers and keys, and where it reports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from logits_api_server.usage_recorder import UsageStore
from logits_core.entities.model import Entity

Background = Callable[[], Coroutine[Any, Any, None]]


class EntitySource(Protocol):
    """Entities of one kind, kept current; `EntityCache` is one."""

    ready: anyio.Event

    @property
    def items(self) -> Mapping[str, Entity]:
        """A live view by name."""
        ...

    async def run(self) -> None:
        """Follow for ever."""
        ...

    def changes(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the names that changed."""
        ...


class DemandStore(Protocol):
    """Where demand is reported."""

    async def write(self, models: dict[str, dict[str, Any]], observed_at: str) -> None:
        """Replace what this process says.

        Raises:
            LogitsError: it could not be kept now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """All that the API Server needs of the world around it.

    Attributes:
        deployments: ModelDeployment entities.
        servers: LLMServer entities.
        keys: ApiKey entities.
        usage: Where usage is kept.
        demand: Where demand is reported, None for nowhere.
    """

    deployments: EntitySource
    servers: EntitySource
    keys: EntitySource
    usage: UsageStore
    demand: DemandStore | None = None

    @property
    def all(self) -> tuple[EntitySource, ...]:
        """The three that are followed."""
        return self.deployments, self.servers, self.keys
