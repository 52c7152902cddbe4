"""Label selectors follow Kubernetes' grammar and meaning."""

from __future__ import annotations

import pytest

from logits_core.entities.selectors import parse_selector
from logits_core.errors import ErrorCode, LogitsError

LABELS = {"team": "x", "logits.ai/component": "gateway"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("team=x", True),
        ("team==x", True),
        ("team=y", False),
        ("team!=y", True),
        ("other!=y", True),
        ("team in (x, y)", True),
        ("team notin (x,y)", False),
        ("other notin (x)", True),
        ("other in (x)", False),
        ("team", True),
        ("!team", False),
        ("!other", True),
        ("logits.ai/component=gateway,team in (x,y)", True),
        ("logits.ai/component=gateway,team=z", False),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["a b", "=x", "team=x=y", "team in x", "team=ü", "a" * 1025, "a,,b", "!"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(LogitsError) as error:
        parse_selector(text)
    assert (error.value.code, error.value.field) == (ErrorCode.MALFORMED, "labelSelector")
