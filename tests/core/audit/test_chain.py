"""The chain: any edit, drop, insertion, reorder or cut in the middle is found."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.audit import Act, Entry, Head, Subject, event, link, parse_line, verify
from logits_core.audit.chain import canonical
from logits_core.errors import ErrorCode, LogitsError

EVENTS = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        st.text(max_size=6) | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
    max_size=4,
)


def chained(events: list[dict[str, Any]]) -> list[Entry]:
    head, entries = Head(), list[Entry]()
    for one in events:
        entry = link(head, one)
        entries.append(entry)
        head = Head(entry.index, entry.digest)
    return entries


@given(st.lists(EVENTS, max_size=8))
def test_what_was_written_verifies_and_reads_back(events: list[dict[str, Any]]) -> None:
    entries = chained(events)
    found = verify(entries)
    assert found.holds
    assert found.head.size == len(events)
    assert [parse_line(entry.line()) for entry in entries] == entries


@given(st.lists(EVENTS, min_size=2, max_size=8), st.data())
def test_every_tampering_before_the_end_is_found(events: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = chained(events)
    end = verify(entries).head
    place = data.draw(st.integers(0, len(entries) - 1))
    kind = data.draw(st.sampled_from(["edit", "drop", "insert", "swap", "cut", "relink"]))
    changed = list(entries)
    victim = changed[place]
    if kind == "edit":
        other = canonical({"changed": place})
        if other == victim.event:
            return
        changed[place] = Entry(victim.index, victim.previous, other, victim.digest)
    elif kind == "drop":
        del changed[place]
    elif kind == "insert":
        changed.insert(place, victim)
    elif kind == "swap":
        other_place = (place + 1) % len(changed)
        changed[place], changed[other_place] = changed[other_place], changed[place]
    elif kind == "cut":
        changed = changed[:place]
    else:
        # A forger who fixes the entry's own hash is caught by the next one, or by the known end.
        changed[place] = link(Head(victim.index - 1, victim.previous), {"forged": place})
        if changed[place].event == victim.event:
            return
    found = verify(changed)
    assert not found.holds or found.head != end


def test_the_format_can_be_verified_by_hand() -> None:
    first = link(Head(), {"b": "ä", "a": 1})
    value = json.loads(first.line())
    text = json.dumps(value["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    leaf = hashlib.sha256(b"\x00" + text).digest()
    expected = hashlib.sha256(b"\x01" + bytes(32) + (1).to_bytes(8, "big") + leaf).hexdigest()
    assert value["hash"] == expected
    assert value["index"] == 1


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"index":1}', b'{"index":1,"previous":"","hash":""}'])
def test_lines_that_are_no_entries_are_corrupt(line: bytes) -> None:
    with pytest.raises(LogitsError) as caught:
        parse_line(line)
    assert caught.value.code is ErrorCode.CORRUPT


def test_another_spelling_of_a_line_is_corrupt() -> None:
    line = link(Head(), {"a": "b"}).line()
    with pytest.raises(LogitsError):
        parse_line(line.replace(b'"a":', b'"a": '))


def test_events_are_bounded() -> None:
    with pytest.raises(LogitsError) as caught:
        link(Head(), {"a": "x" * 70_000})
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_intents_without_outcome_are_named() -> None:
    def one(audit_id: str, stage: Any) -> dict[str, Any]:
        act = Act(audit_id, 0.0, "patch", "/x", Subject("controller"))
        return event(act, stage, now=1.0)

    entries = chained([one("a", "RequestReceived"), one("b", "RequestReceived"), one("a", "ResponseComplete")])
    assert verify(entries).unmatched == ("b",)
