"""Modes: the customer's switches that stop changes, or stop everything, whatever the vendor wants."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from logits_core.policy.denial import DenialError
from logits_core.policy.request import RequestInfo

ANNOTATION = "logits.ai/mode"
"""On the ConfigMap ``logits-customizations``, which nobody can write through the Gateway."""


class Mode(StrEnum):
    """What the customer lets Logits do right now, from free to stopped."""

    NORMAL = "normal"
    READ_ONLY = "read-only"
    PAUSED = "paused"


MODE_RULES: dict[str, str] = {
    "mode-read-only": "while the customer's mode is read-only, nothing in the cluster is changed",
    "mode-paused": "while the customer's mode is paused, nothing in the cluster is changed and nothing leaves it",
}


def mode_of(chart: Mode, annotations: Mapping[str, str] | None) -> Mode:
    """The mode in force: the stricter of the chart's and the annotation's.

    Args:
        chart: as installed.
        annotations: of the ConfigMap with the customer's limits; None while there is no such ConfigMap.

    Returns:
        PAUSED for an annotation that isn't a mode: a slip of the pen must stop more, never less.
    """
    if annotations is None or ANNOTATION not in annotations:
        return chart
    order = list(Mode)
    try:
        asked = Mode(annotations[ANNOTATION])
    except ValueError:
        asked = Mode.PAUSED
    return max(chart, asked, key=order.index)


def check_mode(mode: Mode, request: RequestInfo) -> None:
    """Refuse changes while the customer has stopped them.

    Raises:
        DenialError: naming the mode's rule.
    """
    if request.mutates and mode is not Mode.NORMAL:
        rule = f"mode-{mode}"
        raise DenialError(rule, f"{MODE_RULES[rule]}; only the customer changes the mode")
