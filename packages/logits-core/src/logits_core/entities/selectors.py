"""Label selectors: which entities a list or a watch is about.

The grammar is the one of Kubernetes: requirements joined by commas, each ``key=value``, ``key==value``,
``key!=value``, ``key in (a,b)``, ``key notin (a,b)``, ``key`` (exists) or ``!key``. As there, ``!=`` and
``notin`` also select entities that lack the key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from logits_core.entities.model import is_label_key, is_label_value
from logits_core.errors import ErrorCode, LogitsError

SELECTOR_LIMIT: Final = 1024
"""Characters that a selector may have."""

_Operator = Literal["in", "notin", "exists", "absent"]
_SET = re.compile(r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s!=]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s=!]*)")
_SPLIT = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: _Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether ``labels`` meet the condition."""
        match self.operator:
            case "in":
                return labels.get(self.key) in self.values if self.key in labels else False
            case "notin":
                return self.key not in labels or labels[self.key] not in self.values
            case "exists":
                return self.key in labels
            case "absent":
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """All conditions that an entity's labels must meet; no conditions select everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether ``labels`` meet every condition."""
        return all(requirement.matches(labels) for requirement in self.requirements)


EVERYTHING: Final = Selector()
"""The selector that selects every entity."""


def parse_selector(text: str) -> Selector:
    """Parse the query parameter ``labelSelector``.

    Raises:
        LogitsError: ``MALFORMED`` when the text is too long or a part of it is no requirement.
    """
    if len(text) > SELECTOR_LIMIT:
        raise _malformed(f"it has more than {SELECTOR_LIMIT} characters")
    if not text.strip():
        return EVERYTHING
    return Selector(tuple(_requirement(part.strip()) for part in _SPLIT.split(text)))


def _requirement(text: str) -> Requirement:
    if found := _SET.fullmatch(text):
        values = frozenset(value.strip() for value in found["values"].split(","))
        operator: _Operator = "in" if found["operator"] == "in" else "notin"
        return _checked(Requirement(found["key"], operator, values))
    if found := _EQUAL.fullmatch(text):
        operator = "notin" if found["operator"] == "!=" else "in"
        return _checked(Requirement(found["key"], operator, frozenset({found["value"]})))
    if text.startswith("!"):
        return _checked(Requirement(text[1:].strip(), "absent"))
    return _checked(Requirement(text, "exists"))


def _checked(requirement: Requirement) -> Requirement:
    if not is_label_key(requirement.key):
        raise _malformed(f"{requirement.key[:80]!r} is not a label key")
    for value in requirement.values:
        if not is_label_value(value):
            raise _malformed(f"{value[:80]!r} is not a label value")
    return requirement


def _malformed(reason: str) -> LogitsError:
    return LogitsError(
        ErrorCode.MALFORMED,
        f"The label selector cannot be understood: {reason}. "
        "Write requirements such as logits.ai/component=gateway, joined by commas.",
        field="labelSelector",
    )
