"""Modes: the stricter word counts, a slip of the pen stops more, and reads are never in the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logits_core.policy import DenialError, Mode, check_mode, mode_of, parse
from logits_core.policy.mode import ANNOTATION

ORDER = list(Mode)


@given(st.sampled_from(Mode), st.none() | st.dictionaries(st.just(ANNOTATION), st.text(max_size=12)))
def test_the_annotation_never_loosens_the_chart(chart: Mode, annotations: dict[str, str] | None) -> None:
    assert ORDER.index(mode_of(chart, annotations)) >= ORDER.index(chart)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("normal", Mode.NORMAL), ("read-only", Mode.READ_ONLY), ("paused", Mode.PAUSED), ("Readonly", Mode.PAUSED)],
)
def test_the_annotation_says_the_mode(written: str, meant: Mode) -> None:
    assert mode_of(Mode.NORMAL, {ANNOTATION: written}) is meant


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("method", "mutates"), [("GET", False), ("PATCH", True), ("PUT", True), ("DELETE", True)])
def test_only_changes_are_stopped(mode: Mode, method: str, mutates: bool) -> None:
    request = parse(method, "/api/v1/namespaces/logits/configmaps/logits-a", "")
    if mode is Mode.NORMAL or not mutates:
        check_mode(mode, request)
        return
    with pytest.raises(DenialError) as caught:
        check_mode(mode, request)
    assert caught.value.rule == f"mode-{mode}"
