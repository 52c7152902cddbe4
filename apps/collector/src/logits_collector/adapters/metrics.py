"""Metrics: one scrape of a component, reduced to the samples that may leave."""

from __future__ import annotations

import math
from dataclasses import dataclass

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from logits_collector.adapters.targets import Target
from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import ExportedSample, may_leave

MAX_EXPOSITION_BYTES = 4 << 20
MAX_SAMPLES = 20_000


@dataclass(frozen=True)
class Scrape:
    """The lines of a scrape, and how many samples stayed in the cluster."""

    lines: list[bytes]
    withheld: int


async def scrape(http: httpx.AsyncClient, target: Target, now: float) -> Scrape:
    """Scrape one target.

    Raises:
        httpx.HTTPError: the target is away.
        LogitsError: the exposition is too large or malformed; nothing of it is taken.
    """
    body = b""
    async with http.stream("GET", f"{target.url}/metrics") as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_EXPOSITION_BYTES:
                raise LogitsError(ErrorCode.TOO_LARGE, "the exposition is larger than a scrape may be")
    return passlisted(body.decode("utf-8", "replace"), target, now)


def passlisted(exposition: str, target: Target, now: float) -> Scrape:
    """The samples of an exposition that are on the passlist.

    Raises:
        LogitsError: MALFORMED; a half-read exposition is never used.
    """
    lines: list[bytes] = []
    withheld = 0
    try:
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if not may_leave(sample.name, sample.labels) or not math.isfinite(sample.value):
                    withheld += 1
                elif len(lines) >= MAX_SAMPLES:
                    raise LogitsError(ErrorCode.TOO_LARGE, f"more than {MAX_SAMPLES} samples in one scrape")
                else:
                    lines.append(_encode(target, now, sample.name, sample.value, sample.labels))
    except ValueError as error:
        raise LogitsError(ErrorCode.MALFORMED, "the exposition can't be parsed") from error
    return Scrape(lines, withheld)


def _encode(target: Target, now: float, name: str, value: float, labels: dict[str, str]) -> bytes:
    sample = ExportedSample(target.component, target.instance, round(now, 3), name, float(value), labels)
    return msgspec.json.encode(sample)
