"""Usage in the Entity DB: one record per hour and life of this process, which it alone writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from logits_core.errors import ErrorCode, LogitsError
from logits_core.usage import Counts, record_name
from logits_core.usage.record import MONTH_LABEL, PLURAL, labels_of, spec_of
from logits_shell.entities import EntityClient

PRUNED_AT_ONCE: Final = 1000


class UsageRecords:
    """A `UsageStore`.

    Args:
        client: Speaks with the Entity DB.
        process: Unique for this life of this process, in hex; so nobody else writes its records.
    """

    def __init__(self, client: EntityClient, process: str) -> None:
        self._client = client
        self._process = process
        self._created: set[str] = set()

    async def write(self, hour: str, rows: Mapping[tuple[str, str], Counts]) -> None:
        """See `UsageStore.write`."""
        name, spec = record_name(hour, self._process), spec_of(hour, rows)
        if name not in self._created:
            try:
                await self._client.create(PLURAL, name, spec, labels=labels_of(hour))
                self._created = {name}
                return
            except LogitsError as error:
                # An answer that was lost: the record is there.
                if error.code is not ErrorCode.ALREADY_EXISTS:
                    raise
        await self._client.patch(PLURAL, name, {"spec": spec})

    async def prune(self, months: frozenset[str]) -> None:
        """See `UsageStore.prune`."""
        selector = f"{MONTH_LABEL} notin ({','.join(sorted(months))})"
        old, _ = await self._client.list(PLURAL, selector=selector)
        for record in old[:PRUNED_AT_ONCE]:
            try:
                await self._client.delete(PLURAL, record.name)
            except LogitsError as error:
                # Another replica was faster.
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
