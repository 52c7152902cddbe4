"""Usage in the Console: charts, table, CSV and counters say what the records say."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.console.conftest import Console
from logits_console.charts import HEIGHT, LEFT, LINES, WIDTH, nice_ceiling, short, stacked
from logits_core.usage import Counts, Series, hour_of, record_name
from logits_core.usage.record import labels_of, spec_of

pytestmark = pytest.mark.anyio
PAGE = {"accept": "text/html"}


async def record(console: Console, ago: timedelta, process: str, key: str, model: str, tokens: int) -> None:
    hour = hour_of(datetime.now(UTC) - ago)
    spec = spec_of(hour, {(key, model): Counts(requests=1, prompt_tokens=tokens, completion_tokens=1)})
    await console[1].create("usagerecords", record_name(hour, process), spec, labels=labels_of(hour))


async def filled(console: Console) -> None:
    await record(console, timedelta(0), "a1", "team", "demo", 1000)
    await record(console, timedelta(0), "b2", "team", "demo", 200)
    await record(console, timedelta(hours=2), "a1", "", "other", 34)
    await record(console, timedelta(days=5), "a1", "team", "demo", 5)
    await record(console, timedelta(days=200), "a1", "team", "demo", 7)


async def test_the_page_adds_up_what_all_processes_counted(console: Console) -> None:
    await filled(console)
    page = (await console[0].get("/usage", headers=PAGE)).text
    assert 'data-total="prompt">1,234<' in page
    assert 'data-total="requests">3<' in page
    drawing = re.search(r"<svg class=\"chart\".*?</svg>", page, re.DOTALL)
    assert drawing is not None
    bars = ElementTree.fromstring(drawing[0]).findall("rect")  # noqa: S314 - our own drawing
    assert len(bars) == 2
    week = (await console[0].get("/usage?period=week&by=key&figure=requests", headers=PAGE)).text
    assert "no key" in week
    assert 'data-total="prompt">1,239<' in week
    assert (await console[0].get("/usage?period=century", headers=PAGE)).status_code == 400


async def test_csv_and_sums_say_the_same(console: Console) -> None:
    await filled(console)
    answer = await console[0].get("/usage.csv?period=month")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(int(line["prompt_tokens"]) for line in lines) == 1239
    sums = (await console[0].get("/console/usage?period=month&by=key")).json()
    assert [(item["name"], item["promptTokens"]) for item in sums["items"]] == [("team", 1205), ("", 34)]


async def test_prometheus_reads_counters_of_this_month(console: Console) -> None:
    await record(console, timedelta(0), "a1", 'te"am', "demo", 1000)
    await record(console, timedelta(0), "b2", 'te"am', "demo", 200)
    text = (await console[0].get("/usage/metrics")).text
    assert 'logits_usage_prompt_tokens_total{key="te\\"am",model="demo"} 1200.0' in text
    assert 'logits_usage_requests_total{key="te\\"am",model="demo"} 2.0' in text


async def test_nothing_used_yet_is_said_in_words(console: Console) -> None:
    assert "Nothing was used in this period." in (await console[0].get("/usage", headers=PAGE)).text


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers(0, 10**9), min_size=5, max_size=5), max_size=12))
def test_bars_stay_inside_and_are_as_high_as_their_figures(values: dict[str, list[int]]) -> None:
    chart = stacked(Series([f"2026-11-{day:02}" for day in range(1, 6)], values), "tokens")
    assert len(chart.legend) <= LINES
    for bar in chart.bars:
        assert bar.x >= LEFT
        assert bar.x + bar.width <= WIDTH
        assert bar.y >= 0
        assert bar.y + bar.height <= HEIGHT
    top = nice_ceiling(max((sum(column) for column in zip(*values.values(), strict=True)), default=0))
    assert chart.rows[-1].text == short(top)


@given(st.floats(0, 1e12))
def test_the_top_of_an_axis_is_round_and_not_below(value: float) -> None:
    top = nice_ceiling(value)
    assert top >= value
    assert str(top).rstrip("0") in {"1", "2", "5"}
