"""Log records: one record, of which only the template and the safe values can be exported."""

from __future__ import annotations

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction.values import SAFE_TYPES, Safe

MAX_LINE_BYTES = 16_384
MAX_TEMPLATE_CHARACTERS = 500
LEVELS = ("debug", "info", "warning", "error")


class ExportedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One safe value: its type's name and the value itself."""

    kind: str
    value: str | int | float | bool


class ExportedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an export stream; everything in it is known to be safe.

    ``stream`` names the process life (a random id made at start) and ``sequence`` counts its records
    from 1, so a reader can prove that none is missing. ``time`` is seconds since the epoch.
    ``unsafe`` counts the values that stayed in the cluster.
    """

    stream: str
    sequence: int
    time: float
    level: str
    component: str
    version: str
    template: str
    values: dict[str, ExportedValue] = {}
    unsafe: int = 0


class LogRecord(msgspec.Struct, frozen=True):
    """What a call to the logger means, before it is written anywhere."""

    time: float
    level: str
    component: str
    template: str
    values: dict[str, object]

    def local_text(self) -> str:
        """The whole message for the customer's own Pod logs, unsafe values included."""
        try:
            return self.template.format(**self.values)
        except (KeyError, IndexError, ValueError, AttributeError):
            return f"{self.template} {self.values!r}"

    def export(self, stream: str, sequence: int, version: str) -> ExportedRecord:
        """The record as it may leave the cluster: unsafe values are never even serialised."""
        safe = {
            name: ExportedValue(kind=value.kind, value=value.value)
            for name, value in self.values.items()
            if isinstance(value, Safe) and SAFE_TYPES.get(value.kind) is type(value)
        }
        return ExportedRecord(
            stream=stream,
            sequence=sequence,
            time=round(self.time, 3),
            level=self.level,
            component=self.component,
            version=version,
            template=self.template,
            values=safe,
            unsafe=len(self.values) - len(safe),
        )


_DECODER = msgspec.json.Decoder(ExportedRecord)


def decode_exported(line: bytes) -> ExportedRecord:
    """Read one exported line strictly; the second, independent check at the trust boundary.

    Raises:
        LogitsError: INVALID or TOO_LARGE, naming what doesn't belong in an exported record.
    """
    if len(line) > MAX_LINE_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a log record has more than {MAX_LINE_BYTES} bytes")
    try:
        record = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LogitsError(ErrorCode.INVALID, f"not an exported log record: {error}", field="line") from error
    if record.level not in LEVELS:
        raise LogitsError(ErrorCode.INVALID, "level must be one of " + ", ".join(LEVELS), field="level")
    if len(record.template) > MAX_TEMPLATE_CHARACTERS:
        raise LogitsError(ErrorCode.INVALID, "the template is too long", field="template")
    for name, value in record.values.items():
        _check_value(name, value)
    return record


def _check_value(name: str, value: ExportedValue) -> None:
    safe_type = SAFE_TYPES.get(value.kind)
    if safe_type is None:
        raise LogitsError(ErrorCode.INVALID, f"{value.kind!r} is not a safe type", field=f"values.{name}.kind")
    try:
        rebuilt = safe_type(value.value)
    except (ValueError, TypeError) as error:
        raise LogitsError(ErrorCode.INVALID, str(error), field=f"values.{name}.value") from error
    if rebuilt.value != value.value:
        raise LogitsError(ErrorCode.INVALID, "not in its canonical form", field=f"values.{name}.value")
