"""Telemetry: a process' log, metrics and health, and the port that shows them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector

from logits_shell.log import ExportStream, Logger
from logits_shell.settings import AppSettings

STREAM_LINES = 20_000


@dataclass
class Health:
    """Named checks; the process is ready when all of them are.

    A check exists from the first ``set`` on, so apps declare theirs before they start to serve.
    """

    _checks: dict[str, tuple[bool, str]] = field(default_factory=dict[str, "tuple[bool, str]"])

    def set(self, check: str, *, ready: bool, reason: str = "") -> None:
        """Record what a check says now; ``reason`` says in words why it isn't ready."""
        self._checks[check] = (ready, "" if ready else reason)

    @property
    def ready(self) -> bool:
        """Whether every check is ready."""
        return all(ready for ready, _ in self._checks.values())

    def explain(self) -> dict[str, str]:
        """Every check that isn't ready, with its reason."""
        return {name: reason for name, (ready, reason) in self._checks.items() if not ready}


@dataclass(frozen=True)
class Telemetry:
    """The bundle that ``create_app`` takes: log, metrics registry, health and export stream."""

    component: str
    log: Logger
    registry: CollectorRegistry
    health: Health
    stream: ExportStream

    @classmethod
    def create(
        cls,
        component: str,
        settings: AppSettings,
        *,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> Telemetry:
        """Telemetry of one process.

        Args:
            component: the component's name as in ``logits.ai/component``.
            settings: the app's settings, for its version.
            new_id: makes the random id of this process life.
        """
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        dropped = Counter(
            "logits_log_lines_dropped",
            "Exported log lines that left the ring to make room.",
            registry=registry,
        )
        stream = ExportStream(new_id(), STREAM_LINES, dropped.inc)
        log = Logger(component, settings.version, stream, registry=registry)
        return cls(component, log, registry, Health(), stream)
