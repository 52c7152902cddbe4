"""Usage: the page with its charts, the table as CSV, and counters for the customer's own Prometheus."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Template

from logits_console.charts import stacked
from logits_console.usage import PERIODS, By, Figure, Period, UsageRecords, Used
from logits_core.usage import Counts, csv_of


@get("/usage", operation_id="usage")
async def usage_page(
    records: NamedDependency[UsageRecords],
    period: FromQuery[Period] = "day",
    by: FromQuery[By] = "model",
    figure: FromQuery[Figure] = "tokens",
) -> Template:
    """What was used, as a chart and a table."""
    used = await records.used(period)
    context = {
        "page": "usage",
        "period": period,
        "by": by,
        "figure": figure,
        "periods": {name: words for name, (words, _, _) in PERIODS.items()},
        "chart": stacked(used.series(by, figure), figure),
        "totals": used.totals(by),
        "sum": _sum(used),
    }
    return Template("usage.html", context=context)


@get("/usage.csv", operation_id="usageCsv")
async def usage_csv(records: NamedDependency[UsageRecords], period: FromQuery[Period] = "month") -> Response[str]:
    """One line per hour, key and model."""
    used = await records.used(period)
    headers = {"content-disposition": f'attachment; filename="logits-usage-{used.times[-1]}.csv"'}
    return Response(csv_of(used.rows), media_type="text/csv; charset=utf-8", headers=headers)


@get("/console/usage", operation_id="listUsage")
async def list_usage(
    records: NamedDependency[UsageRecords], period: FromQuery[Period] = "day", by: FromQuery[By] = "model"
) -> dict[str, Any]:
    """Sums, for programs."""
    used = await records.used(period)
    return {"from": used.times[0], "to": used.times[-1], "items": [_item(*pair) for pair in used.totals(by).items()]}


@get("/usage/metrics", operation_id="usageMetrics")
async def usage_metrics(records: NamedDependency[UsageRecords]) -> Response[bytes]:
    """Counters per key and model for Prometheus; the Collector never reads them."""
    return Response(await records.prometheus(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _sum(used: Used) -> Counts:
    total = Counts()
    for counts in used.rows.values():
        total.add(counts)
    return total


def _item(name: str, counts: Counts) -> dict[str, Any]:
    return {
        "name": name,
        "requests": counts.requests,
        "failed": counts.failed,
        "aborted": counts.aborted,
        "estimated": counts.estimated,
        "promptTokens": counts.prompt_tokens,
        "cachedTokens": counts.cached_tokens,
        "completionTokens": counts.completion_tokens,
    }
