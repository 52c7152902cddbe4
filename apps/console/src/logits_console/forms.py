"""Forms: what a person or a program may change of a deployment, checked field by field."""

from __future__ import annotations

import msgspec

from logits_core.errors import ErrorCode, LogitsError


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A change of a deployment; what is None stays as it is."""

    enabled: bool | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_to_zero_after_seconds: int | None = None

    def spec(self) -> dict[str, object]:
        """The fields that change, as the Entity DB names them.

        Raises:
            LogitsError: INVALID when nothing would change.
        """
        fields: dict[str, object] = msgspec.to_builtins(self)
        if not fields:
            raise LogitsError(
                ErrorCode.INVALID,
                "nothing to change: send enabled, minReplicas, maxReplicas or scaleToZeroAfterSeconds",
            )
        return fields

    def words(self) -> str:
        """The change in words, for the message after it."""
        if self.enabled is not None:
            return "enabled" if self.enabled else "disabled"
        return "limits saved"


SWITCHES = {"enable": True, "disable": False}
NUMBERS = ("minReplicas", "maxReplicas", "scaleToZeroAfterSeconds")


def change_of_form(data: dict[str, str]) -> Change:
    """Read the form of a row.

    Raises:
        LogitsError: INVALID, naming the field.
    """
    action = data.get("action", "")
    if action in SWITCHES:
        return Change(enabled=SWITCHES[action])
    if action != "scale":
        raise LogitsError(ErrorCode.INVALID, "action must be enable, disable or scale", field="action")
    numbers = {name: _number(name, data[name]) for name in NUMBERS if data.get(name)}
    return msgspec.convert(numbers, Change)


def _number(name: str, text: str) -> int:
    if not text.strip().isdigit() or len(text) > 9:
        raise LogitsError(ErrorCode.INVALID, f"{name} must be a whole number, 0 or more", field=name)
    return int(text)
