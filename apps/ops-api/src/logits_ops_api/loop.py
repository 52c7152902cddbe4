"""The retention loop: at every interval, delete the telemetry that is no longer kept."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from logits_core.errors import LogitsError
from logits_core.redaction import Count, Identifier
from logits_ops_api.adapters.retention import Expiry
from logits_ops_api.services import Metrics
from logits_shell.log import Logger

INTERVAL_SECONDS = 600.0


async def keep_retention(
    expiry: Expiry, metrics: Metrics, log: Logger, clock: Callable[[], float], *, interval: float = INTERVAL_SECONDS
) -> None:
    """Run until cancelled; a database that is away is tried again at the next interval."""
    while True:
        try:
            removed = await expiry.expire(clock())
        except LogitsError as error:
            log.warning("retention could not run: {code}", code=Identifier(error.code.value))
        else:
            metrics.expired.inc(removed)
            if removed:
                log.info("retention removed {rows} rows", rows=Count(removed))
        await anyio.sleep(interval)
