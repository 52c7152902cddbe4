"""Label and field selectors: the text of a query parameter becomes a test on objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from logits_local.api.errors import bad_request
from logits_local.api.resources import Object, ResourceType

Test = Callable[[Object], bool]

_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"\s*({_NAME})\s*(==|=|!=)\s*({_VALUE})\s*")
_SET = re.compile(rf"\s*({_NAME})\s+(in|notin)\s*\(([^()]*)\)\s*")
_EXISTS = re.compile(rf"\s*(!?)\s*({_NAME})\s*")
_COMMA_OUTSIDE = re.compile(r",(?![^(]*\))")
_COMMON_LABELS = ("metadata.name", "metadata.namespace")


def label_selector(text: str) -> Test:
    """The test of a ``labelSelector`` parameter: equality, ``in``, ``notin``, existence, joined by commas.

    Raises:
        StatusError: BadRequest when the text is no selector.
    """
    tests = [_requirement(part) for part in _COMMA_OUTSIDE.split(text) if part.strip()]
    if not tests:
        return lambda _: True
    return lambda value: all(test(value["metadata"].get("labels", {})) for test in tests)


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    if found := _EQUALITY.fullmatch(text):
        name, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(name) != value
        return lambda labels: labels.get(name) == value
    if found := _SET.fullmatch(text):
        name, operator, inside = found.groups()
        values = {part.strip() for part in inside.split(",")}
        if operator == "in":
            return lambda labels: name in labels and labels[name] in values
        return lambda labels: labels.get(name) not in values
    if found := _EXISTS.fullmatch(text):
        absent, name = bool(found[1]), found[2]
        return lambda labels: (name in labels) != absent
    raise bad_request(f"unable to parse requirement: {text.strip()!r} is none of k=v, k!=v, k in (..), k, !k")


def field_selector(text: str, resource: ResourceType) -> Test:
    """The test of a ``fieldSelector`` parameter.

    Raises:
        StatusError: BadRequest when the text is no selector or names a field that cannot be selected by.
    """
    known = (*_COMMON_LABELS, *resource.field_labels)
    tests: list[Test] = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if found is None:
            raise bad_request(f"invalid selector: {part!r}; can't understand it, use field=value")
        name, operator, value = found.groups()
        if name not in known:
            listed = ", ".join(f'"{label}"' for label in known)
            raise bad_request(f'"{name}" is not a known field selector: only {listed}')
        tests.append(_field_test(name, value, equal=operator != "!="))
    return lambda value: all(test(value) for test in tests)


def _field_test(name: str, wanted: str, *, equal: bool) -> Test:
    path = name.split(".")

    def test(value: Object) -> bool:
        return (field_text(value, path) == wanted) == equal

    return test


def field_text(value: Object, path: list[str]) -> str:
    """The field at a path as a selector sees it; an absent field is the empty text."""
    found: Any = value
    for part in path:
        found = cast(Object, found).get(part) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)
