"""Selectors: what they match, as a property of sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logits_local.api.resources import resource
from logits_local.api.selectors import field_selector, label_selector

LABELS = st.dictionaries(st.sampled_from(["a", "b.io/c"]), st.sampled_from(["x", "y", ""]), max_size=2)
KEY, VALUE = st.sampled_from(["a", "b.io/c"]), st.sampled_from(["x", "y", "z"])


def matches(text: str, labels: dict[str, str]) -> bool:
    return label_selector(text)({"metadata": {"labels": labels}})


@given(LABELS, KEY, VALUE)
def test_a_requirement_and_its_negation_split_all_objects(labels: dict[str, str], key: str, value: str) -> None:
    assert matches(f"{key}={value}", labels) != matches(f"{key}!={value}", labels)
    assert matches(f"{key} in ({value},w)", labels) != matches(f"{key} notin ({value},w)", labels)
    assert matches(key, labels) != matches(f"!{key}", labels)


@given(LABELS, KEY, VALUE)
def test_commas_mean_and(labels: dict[str, str], key: str, value: str) -> None:
    first, second = f"{key}={value}", f"b.io/c in (x, {value})"
    assert matches(f"{first},{second}", labels) == (matches(first, labels) and matches(second, labels))


def test_fields_of_a_pod() -> None:
    pod = {"metadata": {"name": "p", "namespace": "n"}, "spec": {}, "status": {"phase": "Running"}}
    kind = resource("pods")
    assert field_selector("spec.nodeName=", kind)(pod)
    assert field_selector("status.phase!=Failed,metadata.name=p", kind)(pod)
    assert not field_selector("status.phase=Failed", kind)(pod)
