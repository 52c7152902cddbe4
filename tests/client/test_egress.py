"""`logits egress`: lists what left, and finds every difference between the ledger and the audit log."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from client.served_logs import ServedLog, ServedPlatform, over_http
from logits_client.commands.egress import egress
from logits_core.audit import Act, Subject, canonical, event

BODY = b'{"nodes":1}'


def platform(count: int = 3) -> ServedPlatform:
    """Calls that left, each with its two records."""
    served = ServedPlatform([ServedLog([])])
    for number in range(count):
        body = BODY + b" " * number
        notes = {"egress-sha256": hashlib.sha256(body).hexdigest(), "egress-bytes": str(len(body))}
        now = datetime.now(UTC).timestamp()
        act = Act(f"id-{number}", now, "post", "/reports", Subject("gateway"), notes=notes)
        for stage in ("RequestReceived", "ResponseComplete"):
            served.logs[0].entries.append(canonical(event(act, stage, now=now)))
        served.left(f"id-{number}", body, 2 * number)
    return served


@contextmanager
def running(served: ServedPlatform) -> Generator[list[str], None, None]:
    with over_http(served) as url:
        yield ["--url", url]


def run(served: ServedPlatform, *arguments: str) -> Result:
    with running(served) as url:
        return CliRunner().invoke(egress, [*arguments, *url])


def test_what_left_is_listed_and_printed() -> None:
    listed = run(platform(), "show", "--limit", "2")
    assert listed.exit_code == 0, listed.output
    rows = listed.output.splitlines()
    assert (len(rows), "2026-01-01.2" in rows[1], "2026-01-01.1" in rows[2]) == (3, True, True)
    assert run(platform(), "show", "2026-01-01.0").output.encode() == BODY


def test_an_honest_ledger_is_proved() -> None:
    done = run(platform(), "verify")
    assert done.exit_code == 0, done.output
    assert "3 calls to the vendor are kept, 3 of them with a body" in done.output
    assert "proved: every body has the bytes" in done.output


def _altered(served: ServedPlatform) -> None:
    served.bodies["2026-01-01.1"] = b'{"nodes":2}'


def _unrecorded(served: ServedPlatform) -> None:
    served.left("id-unknown", b"secret", 99)


def _dropped(served: ServedPlatform) -> None:
    del served.departures[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_altered, "2026-01-01.1: the body that is kept is not the one"),
        (_unrecorded, "2026-01-01.3: the audit log has no record of it"),
        (_dropped, "and is not kept"),
    ],
)
def test_every_difference_is_named(change: Any, words: str) -> None:
    served = platform()
    change(served)
    done = run(served, "verify")
    assert done.exit_code == 1
    assert words in done.output
