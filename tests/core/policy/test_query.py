"""Queries read as every web library reads them, or not at all."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.policy import query

KEYS = st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(KEYS, TEXTS, min_size=1, max_size=5))
def test_what_is_written_is_read_back_by_everybody(pairs: dict[str, str]) -> None:
    written = query.encode(pairs)
    assert written.isascii()
    assert query.decode(written) == pairs
    assert dict(parse_qsl(written, keep_blank_values=True)) == pairs


@given(st.dictionaries(KEYS, TEXTS, min_size=1, max_size=5))
def test_other_writers_are_understood(pairs: dict[str, str]) -> None:
    assert query.decode(urlencode(pairs)) == pairs


@given(st.text(max_size=40))
def test_whatever_is_read_is_read_alike_by_others(text: str) -> None:
    try:
        found = query.decode(text)
    except ValueError:
        return
    assert dict(parse_qsl(text, keep_blank_values=True)) == found


@pytest.mark.parametrize(
    "text", ["", "a", "a=1&a=2", "a=1&", "&a=1", "a=%", "a=%4", "a=%ff", "a=ä", "a b=1", "a=1;b=2 "]
)
def test_odd_queries_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        query.decode(text)
