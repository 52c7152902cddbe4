"""Event framing: whatever way a stream is cut, the same events come out, and no byte is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import LogitsError
from logits_core.wire import DONE, EventBoundary, EventReader, data_event

LINE_END = st.sampled_from([b"\n", b"\r\n"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream of events and the data they carry."""
    raw, expected = b"", list[bytes]()
    for _ in range(draw(st.integers(0, 5))):
        end = draw(LINE_END)
        lines = [line.encode() for line in draw(st.lists(TEXT, max_size=3))]
        if draw(st.booleans()):
            raw += b": comment" + end
        raw += b"".join(b"data: " + line + end for line in lines)
        if not raw.endswith(end):
            raw += b"event: x" + end
        raw += end
        if lines:
            expected.append(b"\n".join(lines))
    return raw, expected


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut `data` at `places` (taken modulo its length)."""
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(marks)]


@given(streams(), st.lists(st.integers(0, 500)))
def test_events_don_t_depend_on_the_cuts(stream: tuple[bytes, list[bytes]], places: list[int]) -> None:
    raw, expected = stream
    reader = EventReader()
    assert [event for piece in cut(raw, places) for event in reader.feed(piece)] == expected


@given(st.binary(max_size=200), st.lists(st.integers(0, 500)))
def test_a_boundary_loses_and_adds_nothing(raw: bytes, places: list[int]) -> None:
    boundary = EventBoundary()
    out = b"".join(boundary.feed(piece) for piece in cut(raw, places))
    assert out + boundary.rest() == raw


@given(streams(), st.lists(st.integers(0, 500)))
def test_what_passes_a_boundary_ends_with_an_event(stream: tuple[bytes, list[bytes]], places: list[int]) -> None:
    boundary = EventBoundary()
    for piece in cut(stream[0] + b"data: unfinished", places):
        passed = boundary.feed(piece)
        assert passed == b"" or passed.endswith((b"\n\n", b"\r\n\r\n", b"\n\r\n"))
    assert boundary.at_boundary


def test_an_endless_event_passes_unfinished_but_is_known_to_be() -> None:
    boundary = EventBoundary(limit=10)
    assert boundary.feed(b"data: 123") == b""
    assert boundary.feed(b"456") == b"data: 123456"
    assert not boundary.at_boundary
    assert boundary.feed(b"7\n\n") == b"7\n\n"
    assert boundary.at_boundary


def test_a_reader_gives_an_endless_event_up() -> None:
    reader = EventReader(limit=10)
    with pytest.raises(LogitsError, match="more than 10 bytes"):
        reader.feed(b"data: 1234567890")


def test_written_events_are_read_back() -> None:
    assert EventReader().feed(data_event(b"{}") + DONE) == [b"{}", b"[DONE]"]
