"""Metric samples: which names, labels and values of a scrape may leave the cluster."""

from __future__ import annotations

import math
import re

import msgspec

from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction.record import MAX_LINE_BYTES

_NAME = re.compile(r"(logits|process|python)_[a-z0-9_]{1,80}")
_INSTANCE = re.compile(r"[0-9a-f]{16}")
_COMPONENT = re.compile(r"[a-z][a-z-]{1,30}")
_BUCKET = re.compile(r"\+Inf|-?\d{1,12}(\.\d{1,12})?(e[+-]?\d{1,3})?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,47}")

LABELS: dict[str, re.Pattern[str]] = {
    "le": _BUCKET,
    "quantile": _BUCKET,
    "level": re.compile(r"debug|info|warning|error"),
    "outcome": re.compile(r"[a-z][a-z_]{0,31}"),
    "reason": re.compile(r"[A-Za-z][A-Za-z_]{0,31}"),
    "status": re.compile(r"[1-5]\d\d|[1-5]xx"),
    "code": re.compile(r"[1-5]\d\d|[1-5]xx|[a-z_]{1,31}"),
    "method": re.compile(r"GET|HEAD|POST|PUT|PATCH|DELETE"),
    "verb": re.compile(r"[a-z]{1,16}"),
    "phase": re.compile(r"[A-Za-z]{1,24}"),
    "kind": re.compile(r"[A-Za-z_]{1,31}"),
    "route": re.compile(r"[a-z][a-z_-]{0,31}"),
    "caller": _COMPONENT,
    "generation": re.compile(r"[0-9]"),
    "implementation": re.compile(r"CPython"),
    "major": re.compile(r"\d{1,2}"),
    "minor": re.compile(r"\d{1,2}"),
    "patchlevel": re.compile(r"\d{1,2}"),
    "version": _WORD,
}
"""The passlist: label names, each with the whole domain of its values. The rest is withheld."""


class ExportedSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sample of one scrape.

    ``instance`` is a digest of the pod's UID, ``time`` seconds since the epoch.
    """

    component: str
    instance: str
    time: float
    name: str
    value: float
    labels: dict[str, str] = {}


def may_leave(name: str, labels: dict[str, str]) -> bool:
    """Whether a sample with this name and these labels is on the passlist."""
    return bool(_NAME.fullmatch(name)) and all(
        (domain := LABELS.get(label)) is not None and bool(domain.fullmatch(value)) for label, value in labels.items()
    )


_DECODER = msgspec.json.Decoder(ExportedSample)


def decode_sample(line: bytes) -> ExportedSample:
    """Read one exported sample strictly; the second, independent check at the trust boundary.

    Raises:
        LogitsError: INVALID or TOO_LARGE, naming what doesn't belong in an exported sample.
    """
    if len(line) > MAX_LINE_BYTES:
        raise LogitsError(ErrorCode.TOO_LARGE, f"a metric sample has more than {MAX_LINE_BYTES} bytes")
    try:
        sample = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LogitsError(ErrorCode.INVALID, f"not an exported sample: {error}", field="line") from error
    if not _COMPONENT.fullmatch(sample.component) or not _INSTANCE.fullmatch(sample.instance):
        raise LogitsError(ErrorCode.INVALID, "component or instance is not in its form", field="component")
    if not may_leave(sample.name, sample.labels):
        raise LogitsError(ErrorCode.INVALID, "the name or a label is not on the passlist", field="labels")
    if not math.isfinite(sample.value):
        raise LogitsError(ErrorCode.INVALID, "the value must be finite", field="value")
    return sample
