"""Batches: every line is in exactly one batch, in order, and the key names the content."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logits_core.collection import Batcher, Limits, Positions

LINES = st.lists(st.binary(min_size=1, max_size=40).filter(lambda b: b"\n" not in b), max_size=60)


@given(LINES, st.integers(1, 200), st.integers(1, 10))
def test_every_line_is_in_exactly_one_batch(lines: list[bytes], size: int, records: int) -> None:
    batcher = Batcher("logs", Limits(size=size, records=records, age=5))
    sealed: list[bytes] = []
    for line in lines:
        batcher.add(line, now=0.0)
        if batcher.due_in(0.0) == 0.0:
            sealed.extend(batcher.seal({}).body.splitlines())
    if not batcher.empty:
        sealed.extend(batcher.seal({}).body.splitlines())
    assert b"\n".join(sealed) == b"\n".join(b"\n".join(line.splitlines()) for line in lines)


def test_a_batch_is_due_when_its_first_line_is_old() -> None:
    batcher = Batcher("logs", Limits(age=5))
    assert batcher.due_in(100.0) is None
    batcher.add(b"a", now=100.0)
    batcher.add(b"b", now=104.0)
    assert batcher.due_in(101.0) == 4.0
    assert batcher.due_in(105.0) == 0.0


def test_the_key_depends_on_the_content_alone() -> None:
    first, second = Batcher("logs"), Batcher("logs")
    first.add(b"same", now=1.0)
    second.add(b"same", now=2.0)
    one, other = first.seal({"s": 1}), second.seal({})
    assert one.key == other.key
    assert one.records == 1


@given(st.lists(st.integers(1, 50), max_size=60))
def test_positions_count_what_is_missing_and_take_nothing_twice(sequences: list[int]) -> None:
    positions = Positions()
    taken: list[int] = []
    missed = 0
    for sequence in sequences:
        gap = positions.advance("stream", sequence)
        if gap >= 0:
            taken.append(sequence)
            missed += gap
    assert taken == sorted(set(taken))
    assert missed + len(taken) == (max(sequences) if sequences else 0)


def test_positions_are_bounded_and_forget_the_oldest_stream() -> None:
    positions = Positions()
    for number in range(5000):
        positions.advance(f"stream-{number}", 1)
    assert len(positions.snapshot()) == 4096
    assert positions.last("stream-0") == 0
    assert positions.last("stream-4999") == 1
