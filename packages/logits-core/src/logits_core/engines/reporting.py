"""When an LLM Server writes its report: on change, and now and then as long as it is busy.

A change of phase is written at once, since callers wait for it, and phases can't change faster than engines
start. Other changes are written at most once a second.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from logits_core.engines.load import EngineLoad
from logits_core.engines.supervision import Phase
from logits_core.entities.model import JsonObject

SHORTEST_PAUSE_SECONDS: Final = 1.0
BUSY_PAUSE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an LLM Server says of itself; the status of its LLMServer entity."""

    phase: Phase
    message: str
    engine: str
    engine_version: str = ""
    load: EngineLoad = field(default_factory=EngineLoad)
    slots: int = 0
    context_length: int = 0

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self.load.running + self.load.waiting > 0

    def to_status(self, observed_at: str) -> JsonObject:
        """Return the entity's status; ``observed_at`` is RFC 3339 UTC."""
        return {
            "phase": self.phase.value,
            "message": self.message,
            "engine": self.engine,
            "engineVersion": self.engine_version,
            "running": self.load.running,
            "waiting": self.load.waiting,
            "slots": self.slots,
            "kvUsage": self.load.kv_usage,
            "contextLength": self.context_length,
            "observedAt": observed_at,
        }


@dataclass(frozen=True, slots=True)
class Written:
    """The last report that reached the Entity DB, and when (seconds of a steady clock)."""

    report: Report
    at: float


def seconds_until_due(written: Written | None, report: Report, now: float) -> float:
    """Return in how many seconds ``report`` has to be written: 0 for now, infinity for never."""
    if written is None:
        return 0.0
    if report.phase is not written.report.phase:
        return 0.0
    if report != written.report:
        return max(0.0, written.at + SHORTEST_PAUSE_SECONDS - now)
    if report.busy:
        return max(0.0, written.at + BUSY_PAUSE_SECONDS - now)
    return math.inf


def combined_load(engine: EngineLoad, in_flight: int, slots: int) -> EngineLoad:
    """Join the engine's own figures with the requests that the relay has under way.

    The engine's figures are a moment old; the relay knows at once how many requests there are.
    """
    running = max(engine.running, min(in_flight, slots)) if in_flight else engine.running
    return EngineLoad(running, max(engine.waiting, in_flight - running), engine.kv_usage)
