"""Shapes: small passlist validators that compose into tables of what an object may say.

A shape looks at a decoded JSON value and its path and either returns or raises ``ShapeError``.
Objects are passlists: a field that the table doesn't name is refused, so that a field which a
newer Kubernetes adds is never let through unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Shape = Callable[[Any, str], None]

MAX_ITEMS = 256
"""Most items that any list or map in a checked object may have."""


class ShapeError(ValueError):
    """A value that its table doesn't allow.

    Args:
        path: dotted path of the value, such as ``spec.template.spec.hostNetwork``.
        why: what is wrong with it, in words.
        rule: id of the rule that refuses it; None while no rule has claimed it.
    """

    def __init__(self, path: str, why: str, rule: str | None = None) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why
        self.rule = rule


def anything(value: Any, path: str) -> None:
    """Allow every value."""


def equals(*allowed: object) -> Shape:
    """Allow exactly these values, with their exact JSON types."""

    def check(value: Any, path: str) -> None:
        if not any(type(value) is type(choice) and value == choice for choice in allowed):
            words = " or ".join(repr(choice) for choice in allowed)
            raise ShapeError(path, f"must be {words}")

    return check


def text(pattern: str = r"[\s\S]*", limit: int = 4096) -> Shape:
    """Allow strings that match the whole pattern."""
    compiled = re.compile(pattern)

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or len(value) > limit or not compiled.fullmatch(value):
            raise ShapeError(path, f"must be text of at most {limit} characters matching {pattern}")

    return check


def integer(low: int, high: int) -> Shape:
    """Allow whole numbers between the two, both included."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ShapeError(path, f"must be a whole number between {low} and {high}")

    return check


def either(*shapes: Shape) -> Shape:
    """Allow what any of the shapes allows; the last one's refusal is reported."""

    def check(value: Any, path: str) -> None:
        for shape in shapes[:-1]:
            try:
                return shape(value, path)
            except ShapeError:
                continue
        return shapes[-1](value, path)

    return check


def listing(item: Shape) -> Shape:
    """Allow a list, or null, whose every item fits."""

    def check(value: Any, path: str) -> None:
        if value is None:
            return
        if not isinstance(value, list) or len(cast("list[Any]", value)) > MAX_ITEMS:
            raise ShapeError(path, f"must be a list of at most {MAX_ITEMS} items")
        for index, element in enumerate(cast("list[Any]", value)):
            item(element, f"{path}[{index}]")

    return check


def mapping(key: str, value_shape: Shape) -> Shape:
    """Allow an object, or null, with free keys that match the pattern."""
    compiled = re.compile(key)

    def check(value: Any, path: str) -> None:
        if value is None:
            return
        for name, element in _members(value, path).items():
            if not compiled.fullmatch(name):
                raise ShapeError(f"{path}.{name[:80]}", f"the key must match {key}")
            value_shape(element, f"{path}.{name}")

    return check


def fields(table: Mapping[str, Shape], *, required: tuple[str, ...] = ()) -> Shape:
    """Allow an object with only these fields; the required ones must be there."""

    def check(value: Any, path: str) -> None:
        members = _members(value, path)
        prefix = f"{path}." if path else ""
        for name, element in members.items():
            shape = table.get(name)
            if shape is None:
                raise ShapeError(f"{prefix}{name[:80]}", "is not among the fields that the policy allows")
            shape(element, f"{prefix}{name}")
        for name in required:
            if members.get(name) is None:
                raise ShapeError(f"{prefix}{name}", "is required")

    return check


def ruled(rule: str, shape: Shape) -> Shape:
    """Let refusals of the shape carry this rule's id, unless an inner rule already did."""

    def check(value: Any, path: str) -> None:
        try:
            shape(value, path)
        except ShapeError as error:
            raise ShapeError(error.path, error.why, error.rule or rule) from None

    return check


def never(why: str) -> Shape:
    """Allow no value at all."""

    def check(value: Any, path: str) -> None:
        raise ShapeError(path, why)

    return check


def _members(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict) or len(cast("dict[str, Any]", value)) > MAX_ITEMS:
        raise ShapeError(path or "body", f"must be an object of at most {MAX_ITEMS} fields")
    return cast("dict[str, Any]", value)
