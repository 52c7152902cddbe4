"""Server-sent events: the same events at every split point and with every line ending."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logits_client.streaming import EventDecoder

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(1, 7), min_size=1, max_size=8),
)
def test_events_do_not_depend_on_how_the_bytes_arrive(events: list[list[str]], ending: bytes, cuts: list[int]) -> None:
    wire = b""
    for lines in events:
        wire += b": comment" + ending + b"id: 7" + ending
        wire += b"".join(b"data: " + line.encode() + ending for line in lines) + ending
    wire += b"x" if ending == b"\r" else b""  # what follows a lone CR shows that it was the whole ending
    decoder, seen, position, turn = EventDecoder(), list[bytes](), 0, 0
    while position < len(wire):
        step = cuts[turn % len(cuts)]
        seen.extend(decoder.feed(wire[position : position + step]))
        position, turn = position + step, turn + 1
    assert seen == ["\n".join(lines).encode() for lines in events]
