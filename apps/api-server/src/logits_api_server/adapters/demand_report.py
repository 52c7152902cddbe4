"""The Demand entity of this API Server, kept current in the Entity DB."""

from __future__ import annotations

from typing import Any, Final

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.entities import EntityClient

DEMANDS: Final = "demands"


class DemandReport:
    """Writes one Demand entity.

    Args:
        client: Speaks with the Entity DB.
        name: Of the entity: the pod's.
    """

    def __init__(self, client: EntityClient, name: str) -> None:
        self._client = client
        self._name = name
        self._written: set[str] = set()

    async def write(self, models: dict[str, dict[str, Any]], observed_at: str) -> None:
        """Replace what the entity says.

        Args:
            models: Figures per model deployment.
            observed_at: RFC 3339 time of the figures.

        Raises:
            LogitsError: the Entity DB refused or is away.
        """
        gone: dict[str, None] = dict.fromkeys(self._written - models.keys())
        patch: dict[str, Any] = {"spec": {"models": {**models, **gone}, "observedAt": observed_at}}
        try:
            await self._client.patch(DEMANDS, self._name, patch)
        except LogitsError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            await self._client.create(DEMANDS, self._name, {"models": models, "observedAt": observed_at})
        self._written = set(models)
