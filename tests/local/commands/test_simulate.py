"""`logits simulate`: figures for made-up and recorded traffic, sizes, charts, and clear words for bad input."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

from click.testing import CliRunner

from logits_local.commands.simulate import simulate


def trace(path: Path, requests: int = 40) -> Path:
    lines = [
        json.dumps(
            {"timestamp": 500 * n, "input_length": 1500, "output_length": 20, "hash_ids": [0, 1 + n % 4, 50 + n]}
        )
        for n in range(requests)
    ]
    path.write_bytes(lzma.compress("\n".join(lines).encode()))
    return path


def test_a_trace_is_replayed_by_several_routers(tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    arguments = [
        "--trace",
        str(trace(tmp_path / "t.xz")),
        "--replicas",
        "2",
        "--router",
        "logits",
        "--router",
        "random",
    ]
    first = CliRunner().invoke(simulate, [*arguments, "--chart", str(chart)])
    assert first.exit_code == 0, first.output
    assert "logits" in first.output
    assert "random" in first.output
    assert chart.read_text().startswith("<svg")
    again = CliRunner().invoke(simulate, [*arguments, "--chart", str(chart)])
    assert again.output == first.output


def test_a_target_is_answered_with_a_number_of_engines(tmp_path: Path) -> None:
    slow = ["--trace", str(trace(tmp_path / "t.xz")), "--rate", "40", "--target"]
    assert "1 engines keep p90" in CliRunner().invoke(simulate, [*slow, "5"]).output
    assert "no fleet of up to" in CliRunner().invoke(simulate, [*slow, "0.001"]).output


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"timestamp": 1}\n')
    result = CliRunner().invoke(simulate, ["--trace", str(bad)])
    assert result.exit_code == 1
    assert "Line 1 of the trace" in result.output
    torn = tmp_path / "torn.xz"
    torn.write_bytes(b"not xz")
    assert "can't be read" in CliRunner().invoke(simulate, ["--trace", str(torn)]).output
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert "holds no request" in CliRunner().invoke(simulate, ["--trace", str(empty)]).output
