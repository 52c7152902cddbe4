"""The usage room: tokens per key, model and hour, gathered, merged and told as CSV, without any I/O."""

from logits_core.usage.csv import csv_of
from logits_core.usage.ledger import Counts, RowKey, UsageLedger, hour_of
from logits_core.usage.record import UsageRecordSpec, UsageRecordStatus, UsageRow, merged, record_name, rows_of
from logits_core.usage.series import Series, series_of, totals_by

__all__ = [
    "Counts",
    "RowKey",
    "Series",
    "UsageLedger",
    "UsageRecordSpec",
    "UsageRecordStatus",
    "UsageRow",
    "csv_of",
    "hour_of",
    "merged",
    "record_name",
    "rows_of",
    "series_of",
    "totals_by",
]
