"""Denials: refusals that name the rule which refused."""

from __future__ import annotations

from logits_core.errors import ErrorCode, LogitsError


class DenialError(LogitsError):
    """A request that the policy refuses.

    Args:
        rule: id of the deciding rule, as in the policy table.
        message: what is refused and why; the rule's id is added to it.
        field: dotted path of the field at fault, if a field is.
    """

    def __init__(self, rule: str, message: str, *, field: str | None = None) -> None:
        super().__init__(
            ErrorCode.FORBIDDEN,
            f"the Gateway's policy refuses this (rule {rule}): {message}",
            field=field,
            reason="Forbidden",
        )
        self.rule = rule
