"""The egress ledger: on disk before anything leaves, paged newest first, and gone after the days kept."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_gateway.adapters.egress_ledger import Departure, EgressLedger

DAY = 86_400.0


def departure(at: float, number: int, body: bytes) -> Departure:
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    digest = hashlib.sha256(body).hexdigest()
    return Departure(f"id-{number}", time, "POST", "/reports", "gateway", digest, len(body), index=number)


def test_pages_go_back_over_days_without_a_gap(tmp_path: Path) -> None:
    ledger = EgressLedger(tmp_path, 30, lambda: 3 * DAY)
    bodies = [f"body {number}".encode() * number for number in range(25)]
    for number, body in enumerate(bodies):
        ledger.keep(departure(number * DAY / 10, number, body), body)
    seen: list[int] = []
    before = ""
    while page := ledger.page(before, 7):
        for cursor, found in page:
            assert ledger.body(cursor) == (found, bodies[found.index])
            seen.append(found.index)
        before = page[-1][0]
    assert seen == list(range(24, -1, -1))


def test_days_that_are_over_are_deleted(tmp_path: Path) -> None:
    now = 100 * DAY
    ledger = EgressLedger(tmp_path, 2, lambda: now)
    ledger.keep(departure(now, 1, b"a"), b"a")
    (cursor, _), *_ = ledger.page("", 10)
    now += 2 * DAY
    ledger.keep(departure(now, 2, b"b"), b"b")
    assert ledger.body(cursor)[1] == b"a"
    now += DAY
    ledger.keep(departure(now, 3, b"c"), b"c")
    with pytest.raises(LogitsError) as caught:
        ledger.body(cursor)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert [found.index for _, found in ledger.page("", 10)] == [3, 2]


@given(st.integers(1, 400), st.integers(1, 3))
def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path_factory: pytest.TempPathFactory, cut: int, more: int) -> None:
    place = tmp_path_factory.mktemp("ledger")
    ledger = EgressLedger(place, 30, lambda: DAY)
    for number in range(3):
        ledger.keep(departure(DAY, number, b"x" * number), b"x" * number)
    index = place / "1970-01-02.jsonl"
    index.write_bytes(index.read_bytes()[:-cut])
    whole = len(ledger.page("", 10))
    again = EgressLedger(place, 30, lambda: DAY)
    for number in range(10, 10 + more):
        again.keep(departure(DAY, number, b"y"), b"y")
    found = again.page("", 50)
    assert len(found) == whole + more
    for cursor, entry in found:
        assert hashlib.sha256(again.body(cursor)[1]).hexdigest() == entry.sha256


@pytest.mark.parametrize("cursor", ["../../etc", "2026-01-01", "2026-01-01.-1", "x.1", "2026-01-01.1/2"])
def test_a_cursor_is_no_path(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(LogitsError) as caught:
        EgressLedger(tmp_path, 30, lambda: 0.0).body(cursor)
    assert caught.value.code is ErrorCode.INVALID


def test_nothing_may_leave_that_cannot_be_kept(tmp_path: Path) -> None:
    ledger = EgressLedger(tmp_path, 30, lambda: 0.0)
    (tmp_path / "1970-01-01.bodies").mkdir()
    with pytest.raises(LogitsError) as caught:
        ledger.keep(departure(0, 1, b"a"), b"a")
    assert caught.value.code is ErrorCode.UNAVAILABLE
