"""Redaction: which values may leave the cluster, decided by their type."""

from logits_core.redaction.record import ExportedRecord, ExportedValue, LogRecord, decode_exported
from logits_core.redaction.samples import ExportedSample, decode_sample, may_leave
from logits_core.redaction.values import (
    SAFE_TYPES,
    Bytes,
    Count,
    Digest,
    Flag,
    Identifier,
    Port,
    Ratio,
    Reason,
    Safe,
    Seconds,
    Status,
    Version,
)

__all__ = [
    "SAFE_TYPES",
    "Bytes",
    "Count",
    "Digest",
    "ExportedRecord",
    "ExportedSample",
    "ExportedValue",
    "Flag",
    "Identifier",
    "LogRecord",
    "Port",
    "Ratio",
    "Reason",
    "Safe",
    "Seconds",
    "Status",
    "Version",
    "decode_exported",
    "decode_sample",
    "may_leave",
]
