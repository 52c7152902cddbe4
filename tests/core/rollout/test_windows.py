"""Maintenance windows: the clock on the customer's wall, in nights of every kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from logits_core.rollout.windows import DAYS, Window, next_opening, open_at

BERLIN = ZoneInfo("Europe/Berlin")


def window(**fields: Any) -> Window:
    return Window.model_validate({"start": "02:00", "hours": 2, "timeZone": "Europe/Berlin"} | fields)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T01:59:59+01:00", False),
        ("2026-11-24T02:00:00+01:00", True),
        ("2026-11-24T03:59:59+01:00", True),
        ("2026-11-24T04:00:00+01:00", False),
        ("2026-11-24T01:00:00+00:00", True),
        ("2026-07-24T01:59:59+02:00", False),
        ("2026-07-24T00:00:00+00:00", True),
    ],
)
def test_a_window_is_open_by_local_time(moment: str, is_open: bool) -> None:
    assert open_at([window()], at(moment)) is is_open


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    friday = window(days=["Fri"], start="22:00", hours=6)
    assert open_at([friday], at("2026-11-28T03:59:00+01:00"))
    assert not open_at([friday], at("2026-11-27T03:59:00+01:00"))
    assert next_opening([friday], at("2026-11-28T12:00:00+01:00")) == at("2026-12-04T22:00:00+01:00")


def test_the_night_in_which_an_hour_is_missing() -> None:
    """On 29 March 2026 Berlin's clocks go from 02:00 to 03:00: the window opens an hour later by the wall."""
    short = window(hours=1)
    assert not open_at([short], at("2026-03-29T00:59:59+00:00"))
    assert open_at([short], at("2026-03-29T01:00:00+00:00"))
    assert not open_at([short], at("2026-03-29T02:00:00+00:00"))


def test_the_night_in_which_an_hour_comes_twice() -> None:
    """On 25 October 2026 Berlin's clocks show 02:00 to 03:00 twice: the window opens the first time, once."""
    begins = [begin for begin, _ in window().openings(at("2026-10-25T00:00:00+02:00"))]
    assert begins[0] == at("2026-10-25T00:00:00+00:00")
    assert begins[1] == at("2026-10-26T01:00:00+00:00")
    assert not open_at([window()], at("2026-10-25T02:30:00+00:00"))


def test_without_windows_there_is_no_next_one() -> None:
    assert next_opening([], at("2026-11-24T00:00:00+00:00")) is None
    assert not open_at([], at("2026-11-24T00:00:00+00:00"))


@pytest.mark.parametrize(
    "fields",
    [
        {"start": "25:00"},
        {"start": "2:00"},
        {"hours": 0},
        {"hours": 1000},
        {"days": []},
        {"days": ["Monday"]},
        {"timeZone": "Mars/Olympus"},
        {"timeZone": "../../etc/passwd"},
        {"timezone": "UTC"},
    ],
)
def test_a_slip_of_the_pen_is_named(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        window(**fields)


windows = st.builds(
    Window,
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
    start=st.integers(0, 23).map(lambda hour: f"{hour:02}:30"),
    hours=st.sampled_from([0.25, 1.0, 5.5, 24.0, 100.0, 168.0]),
    time_zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Gaza"]
    ),
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(windows, moments)
def test_every_window_opens_again_and_lasts_as_long_as_it_says(found: Window, now: datetime) -> None:
    begin = next_opening([found], now)
    assert begin is not None
    assert now < begin <= now + timedelta(days=9)
    assert open_at([found], begin)
    ends = [end for start, end in found.openings(now) if start == begin]
    assert ends == [begin + timedelta(hours=found.hours)]
    local = begin.astimezone(ZoneInfo(found.time_zone))
    skipped = local.strftime("%H:%M") != found.start
    assert not skipped or local.replace(tzinfo=None) > datetime.combine(  # a clock only ever moves a start forward
        local.date(),
        datetime.strptime(found.start, "%H:%M").time(),  # noqa: DTZ007
    )
