"""Interrupted watches: all are counted, and one a minute is logged for each resource."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from logits_controller.metrics import Metrics
from logits_core.errors import LogitsError
from logits_core.redaction import Identifier
from logits_shell.log import Logger

_PAUSE = timedelta(seconds=60)


class Interruptions:
    """Told of every failed attempt to list or watch; the Entity DB isn't there at first, for one.

    Args:
        log: where they are told.
        metrics: where they are counted.
        clock: the time.
    """

    def __init__(self, log: Logger, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._told: dict[str, datetime] = {}

    def note(self, resource: str, error: LogitsError) -> None:
        """Count one, and log it unless the same resource was logged a moment ago."""
        self._metrics.interruptions.labels(resource).inc()
        now = self._clock()
        if now - self._told.get(resource, now - _PAUSE) < _PAUSE:
            return
        self._told[resource] = now
        self._log.warning(
            "watching {resource} was interrupted by {code}: {message}",
            resource=Identifier(resource),
            code=Identifier(error.code.value),
            message=error.message,
        )
