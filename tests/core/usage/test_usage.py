"""The usage room: figures add up whoever counted them, and CSV and series say the same."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logits_core.entities.kinds import checked_spec, kind_of
from logits_core.entities.model import Entity, Metadata, is_name
from logits_core.routing import Usage
from logits_core.usage import Counts, RowKey, UsageLedger, csv_of, hour_of, merged, record_name, series_of, totals_by
from logits_core.usage.ledger import OTHERS, ROWS
from logits_core.usage.record import labels_of, spec_of
from logits_core.usage.series import steps

NAMES = st.sampled_from(["", "team-a", "team-b"])
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), NAMES, st.sampled_from(["m", "n"]), st.integers(0, 50), st.integers(0, 50)),
    max_size=40,
)


def hour(number: int) -> str:
    return f"2026-11-23T{number:02}"


def record(hour: str, ledger: UsageLedger) -> Entity:
    spec: dict[str, Any] = checked_spec(kind_of("usagerecords"), spec_of(hour, ledger.rows(hour)))
    return Entity(kind="UsageRecord", metadata=Metadata(name=record_name(hour, "ab12")), spec=spec)


@given(EVENTS, EVENTS)
def test_records_of_several_processes_add_up(
    one: list[tuple[int, str, str, int, int]], other: list[tuple[int, str, str, int, int]]
) -> None:
    records: list[Entity] = []
    for events in (one, other):
        ledger = UsageLedger()
        for number, key, model, prompt, completion in events:
            usage = Usage(prompt, 0, completion)
            ledger.count(RowKey(hour(number), key, model), usage, failed=False, aborted=False, estimated=False)
        records += [record(each, ledger) for each in ledger.unwritten]
        assert ledger.unwritten == []
    total = merged(records)
    assert sum(c.requests for c in total.values()) == len(one) + len(other)
    assert sum(c.prompt_tokens for c in total.values()) == sum(e[3] for e in [*one, *other])
    by_key = totals_by(total, lambda row: row.key)
    assert sum(c.completion_tokens for c in by_key.values()) == sum(e[4] for e in [*one, *other])
    times = [hour(number) for number in range(4)]
    series = series_of(total, times, name=lambda row: row.model, figure=lambda c: c.requests)
    assert sum(map(sum, series.values.values())) == len(one) + len(other)
    table = list(csv.DictReader(io.StringIO(csv_of(total))))
    assert sum(int(line["completion_tokens"]) for line in table) == sum(e[4] for e in [*one, *other])


def test_an_hour_is_written_whole_again_when_it_changes() -> None:
    ledger = UsageLedger()
    row = RowKey(hour(1), "k", "m")
    ledger.count(row, Usage(1, 0, 1), failed=False, aborted=True, estimated=True)
    assert ledger.rows(hour(1))["k", "m"] == Counts(1, 0, 1, 1, 1, 0, 1)
    ledger.forget(hour(1))
    ledger.count(row, Usage(2, 1, 2), failed=True, aborted=False, estimated=False)
    assert ledger.rows(hour(1))["k", "m"] == Counts(2, 1, 1, 1, 3, 1, 3)
    ledger.failed(hour(1))
    ledger.forget(hour(2))
    assert ledger.unwritten == [hour(1)]
    ledger.rows(hour(1))
    ledger.forget(hour(2))
    assert ledger.rows(hour(1)) == {}


def test_rows_are_bounded_and_what_is_beyond_is_counted_together() -> None:
    ledger = UsageLedger()
    for number in range(ROWS + 10):
        row = RowKey(hour(1), f"k{number}", "m")
        ledger.count(row, Usage(1, 0, 0), failed=False, aborted=False, estimated=False)
    rows = ledger.rows(hour(1))
    assert len(rows) == ROWS + 1
    assert rows[OTHERS, OTHERS].requests == 10


def test_names_labels_and_steps() -> None:
    moment = datetime(2026, 11, 23, 8, 59, tzinfo=UTC)
    assert hour_of(moment) == "2026-11-23T08"
    assert is_name(record_name(hour_of(moment), "0123456789abcdef").lower())
    assert labels_of("2026-11-23T08") == {"logits.ai/day": "2026-11-23", "logits.ai/month": "2026-11"}
    assert steps(datetime(2026, 11, 22, 22, tzinfo=UTC), moment, daily=True) == ["2026-11-22", "2026-11-23"]
    assert len(steps(datetime(2026, 11, 22, 8, tzinfo=UTC), moment, daily=False)) == 25


def test_a_name_never_becomes_a_formula() -> None:
    assert "'=cmd()" in csv_of({RowKey(hour(1), "=cmd()", "m"): Counts()})
