"""Usage as CSV files, one per hour and life of this process, for an API Server without an Entity DB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread

from logits_core.errors import ErrorCode, LogitsError
from logits_core.usage import Counts, RowKey, csv_of, record_name


class UsageFiles:
    """A `UsageStore`.

    Args:
        directory: Where the files go; None keeps nothing.
        process: Unique for this life of this process, in hex.
    """

    def __init__(self, directory: Path | None, process: str) -> None:
        self._directory = directory
        self._process = process

    async def write(self, hour: str, rows: Mapping[tuple[str, str], Counts]) -> None:
        """See `UsageStore.write`."""
        if self._directory is not None:
            table = csv_of({RowKey(hour, key, model): counts for (key, model), counts in sorted(rows.items())})
            await anyio.to_thread.run_sync(_put, self._directory / f"{record_name(hour, self._process)}.csv", table)

    async def prune(self, months: frozenset[str]) -> None:
        """See `UsageStore.prune`; files are their owner's to delete."""


def _put(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="")
        draft.replace(path)
    except OSError as error:
        raise LogitsError(ErrorCode.UNAVAILABLE, f"Usage can't be written to {path.parent}: {error}") from None
