"""Delivery: refused content never blocks, everything else is tried again with growing pauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.collection import Verdict, pause_before_retry, verdict


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Verdict.DELIVERED),
        (None, Verdict.RETRY),
        (401, Verdict.RETRY),
        (429, Verdict.RETRY),
        (503, Verdict.RETRY),
        (400, Verdict.QUARANTINE),
        (413, Verdict.QUARANTINE),
        (422, Verdict.QUARANTINE),
    ],
)
def test_what_an_answer_means(status: int | None, expected: Verdict) -> None:
    assert verdict(status) is expected


@given(st.integers(1, 10_000), st.one_of(st.none(), st.floats(0, 1e6)), st.floats(0, 0.999))
def test_pauses_are_bounded(failures: int, asked: float | None, jitter: float) -> None:
    assert 0.5 <= pause_before_retry(failures, asked, jitter) <= 300


def test_a_server_that_asks_for_time_gets_it() -> None:
    assert pause_before_retry(1, 30.0, 0.0) == 30.0
