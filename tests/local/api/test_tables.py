"""Tables: ages and the telling column of a Pod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from logits_local.api.tables import age, pod_phase, table

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (125, "2m"),
        (3599, "59m"),
        (11100, "3h"),
        (9 * 86400, "9d"),
        (-5, "0s"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    then = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert age(then, NOW) == text


STATUSES: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"phase": "Pending"}, {}, "Pending"),
    ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, {}, "Running"),
    (
        {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
        {},
        "CrashLoopBackOff",
    ),
    ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, {}, "ExitCode:3"),
    ({"phase": "Running"}, {"deletionTimestamp": "x"}, "Terminating"),
]


@pytest.mark.parametrize(("status", "metadata", "text"), STATUSES)
def test_the_status_column(status: dict[str, Any], metadata: dict[str, Any], text: str) -> None:
    assert pod_phase({"metadata": metadata, "status": status}) == text


def test_a_table_row_fits_its_columns() -> None:
    metadata = {"name": "x", "creationTimestamp": "2026-01-09T00:00:00Z"}
    bodies: dict[str, dict[str, Any]] = {
        "Pod": {"spec": {"containers": [{}]}},
        "Deployment": {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}},
        "Node": {},
        "ConfigMap": {},
    }
    for kind, body in bodies.items():
        made = table(kind, [{"metadata": metadata, **body}], {}, NOW)
        assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"]), kind
