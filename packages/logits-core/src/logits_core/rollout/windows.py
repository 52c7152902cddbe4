"""Maintenance windows: when the customer lets changes begin, by the clock on the customer's wall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONGEST_HOURS = 168


class Window(BaseModel):
    """A window that opens on certain days at a local time and stays open for so many hours.

    It is as long on every day: hours are counted as they pass, also in the nights when the clocks are changed. A
    start that the clocks skip moves by as much as they do; of one that they show twice, the first counts.

    Attributes:
        days: on which it opens; all by default.
        start: local time, ``HH:MM``.
        hours: how long it stays open.
        time_zone: IANA name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    days: Annotated[tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...], Field(min_length=1)] = DAYS
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    hours: Annotated[float, Field(ge=0.25, le=_LONGEST_HOURS)]
    time_zone: Annotated[str, Field(alias="timeZone", max_length=64)] = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no IANA time zone, such as Europe/Berlin") from None
        return name

    def openings(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Begin and end of every opening that isn't over at ``now``, in UTC, for the next eight days."""
        zone = ZoneInfo(self.time_zone)
        length = timedelta(hours=self.hours)
        today = now.astimezone(zone).date()
        for offset in range(-(int(self.hours) // 24 + 2), 9):
            day = today + timedelta(days=offset)
            if DAYS[day.weekday()] not in self.days:
                continue
            begin = self._begin(day, zone)
            if begin + length > now:
                yield begin, begin + length

    def _begin(self, day: date, zone: ZoneInfo) -> datetime:
        return datetime.combine(day, time.fromisoformat(self.start), zone).astimezone(UTC)


def open_at(windows: Iterable[Window], now: datetime) -> bool:
    """Whether any window is open."""
    return any(begin <= now for window in windows for begin, _ in window.openings(now))


def next_opening(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When the next window opens, in UTC; None without windows."""
    return min((begin for window in windows for begin, _ in window.openings(now) if begin > now), default=None)
