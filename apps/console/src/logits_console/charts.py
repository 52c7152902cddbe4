"""Charts: series as stacked bars, laid out here and drawn as SVG by the page; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from logits_core.usage import Series

WIDTH = 720
HEIGHT = 220
LEFT = 56
BOTTOM = 24
TOP = 8
LINES = 6
"""Names that get a colour of their own; the others share one."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; `colour` counts from 1, `title` says what it shows."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a place on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart.

    Attributes:
        bars: Rectangles.
        rows: Marks on the vertical axis.
        columns: Marks on the horizontal axis.
        legend: Name and colour of every line.
    """

    bars: list[Bar]
    rows: list[Mark]
    columns: list[Mark]
    legend: list[tuple[str, int]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    floor: int = HEIGHT - BOTTOM


def stacked(series: Series, unit: str) -> Chart:
    """Lay out stacked bars.

    Args:
        series: What to show, the largest name first.
        unit: Of the figures, for titles.
    """
    lines = _lines(series)
    steps = len(series.times)
    sums = [sum(values[step] for _, values in lines) for step in range(steps)]
    top = nice_ceiling(max(sums, default=0))
    slot = (WIDTH - LEFT) / max(1, steps)
    scale = (HEIGHT - BOTTOM - TOP) / top
    bars: list[Bar] = []
    for step, time in enumerate(series.times):
        floor = float(HEIGHT - BOTTOM)
        for colour, (name, values) in enumerate(lines, 1):
            height = values[step] * scale
            if height > 0:
                floor -= height
                title = f"{name or 'no key'}: {values[step]:,} {unit}, {_time(time)}"
                x = LEFT + slot * step + slot * 0.1
                bars.append(Bar(round(x, 2), round(floor, 2), round(slot * 0.8, 2), round(height, 2), colour, title))
    every = max(1, math.ceil(steps / 8))
    columns = [Mark(round(LEFT + slot * (n + 0.5), 2), _tick(series.times[n])) for n in range(0, steps, every)]
    rows = [Mark(round(HEIGHT - BOTTOM - top * share * scale, 2), short(top * share)) for share in (0, 0.5, 1)]
    return Chart(bars, rows, columns, [(name or "no key", colour) for colour, (name, _) in enumerate(lines, 1)])


def _lines(series: Series) -> list[tuple[str, list[int]]]:
    lines = list(series.values.items())
    if len(lines) <= LINES:
        return lines
    rest = [sum(column) for column in zip(*(values for _, values in lines[LINES - 1 :]), strict=True)]
    return [*lines[: LINES - 1], ("others", rest)]


def nice_ceiling(value: float) -> int:
    """Return a round number that isn't below `value`: 1, 2 or 5 times a power of ten; at least 1."""
    if value <= 1:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= value)


def short(value: float) -> str:
    """Return a number in few characters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _time(time: str) -> str:
    return f"{time.replace('T', ' ')}:00 UTC" if "T" in time else time


def _tick(time: str) -> str:
    return f"{time[11:]}:00" if "T" in time else time[5:]
