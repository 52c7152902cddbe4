"""The offline verifier agrees with the Gateway's chain and finds every kind of tampering."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import logits_client.verify as verifier
from logits_core.audit import Head, link

EVENTS = st.lists(
    st.fixed_dictionaries({"auditID": st.text(max_size=8), "stage": st.just("ResponseComplete"), "n": st.integers()}),
    min_size=2,
    max_size=8,
)


def chain(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    head, lines = Head(), list[dict[str, Any]]()
    for event in events:
        entry = link(head, event)
        head = Head(entry.index, entry.digest)
        lines.append(json.loads(entry.line()))
    return lines


@given(EVENTS)
def test_a_whole_log_holds(events: list[dict[str, Any]]) -> None:
    report = verifier.verify(chain(events))
    assert (report.problem, report.entries) == ("", len(events))


@given(EVENTS, st.data())
def test_every_tampering_is_found(events: list[dict[str, Any]], data: st.DataObject) -> None:
    lines = chain(events)
    where = data.draw(st.integers(0, len(lines) - 2))
    act = data.draw(st.sampled_from(["drop", "change", "swap", "insert"]))
    if act == "drop":
        del lines[where]
    elif act == "change":
        lines[where]["event"]["n"] += 1
    elif act == "swap":
        lines[where], lines[where + 1] = lines[where + 1], lines[where]
    else:
        lines.insert(where, json.loads(json.dumps(lines[where])))
    if act != "insert" or where > 0 or lines[0] != lines[1]:
        assert verifier.verify(lines).problem
    else:
        assert verifier.verify(lines).problem


def test_an_interrupted_act_is_named() -> None:
    report = verifier.verify(chain([{"auditID": "a", "stage": "RequestReceived"}]))
    assert report.unmatched == ["a"]
    assert "no outcome: a" in report.lines()[-1]


def test_the_file_alone_is_the_verifier(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    lines = chain([{"auditID": str(n), "stage": "ResponseComplete"} for n in range(3)])
    log.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    run = [sys.executable, "-I", "-S", verifier.__file__, str(log)]
    good = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (good.returncode, good.stdout.splitlines()[0][:14]) == (0, "3 entries hold")
    log.write_text(log.read_text().replace('"auditID": "1"', '"auditID": "9"'), encoding="utf-8")
    bad = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert bad.returncode == 1
    assert "entry 2 was changed" in bad.stdout
