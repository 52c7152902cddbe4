"""What is known about one environment, as operators and Accounts read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec


class EnvironmentState(msgspec.Struct, frozen=True):
    """One environment; times are seconds since the epoch, ``report`` is the merged last report."""

    environment: str
    name: str
    key_id: str
    created_at: float
    last_seen_at: float | None
    registered_at: float | None
    registration: dict[str, Any] | None
    reported_at: float | None
    report: dict[str, Any]
    desired_version: str | None
    log_records: int
    metric_samples: int

    def document(self) -> dict[str, Any]:
        """The state as JSON carries it, with RFC 3339 times."""
        return {
            "environment": self.environment,
            "name": self.name,
            "keyId": self.key_id,
            "createdAt": timestamp(self.created_at),
            "lastSeenAt": timestamp(self.last_seen_at),
            "registeredAt": timestamp(self.registered_at),
            "registration": self.registration,
            "reportedAt": timestamp(self.reported_at),
            "desired": {"version": self.desired_version} if self.desired_version else None,
            "release": self.report.get("release"),
            "components": self.report.get("components", []),
            "models": self.report.get("models"),
            "nodes": self._count("nodes"),
            "gpus": self._count("gpus"),
            "logRecords": self.log_records,
            "metricSamples": self.metric_samples,
        }

    def _count(self, what: str) -> int | None:
        return self.report.get(what, (self.registration or {}).get(what))


def timestamp(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
