"""Usage as CSV: one line per hour, key and model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import fields

from logits_core.usage.ledger import Counts, RowKey

COLUMNS = (*RowKey._fields, *(field.name for field in fields(Counts)))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(usage: Mapping[RowKey, Counts]) -> str:
    """Return the table with its head line (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for place, counts in usage.items():
        figures = [getattr(counts, field.name) for field in fields(Counts)]
        writer.writerow([place.hour + ":00Z", _text(place.key), _text(place.model), *figures])
    return out.getvalue()


def _text(value: str) -> str:
    # A spreadsheet would compute a cell that begins like this.
    return f"'{value}" if value.startswith(_FORMULA) else value
