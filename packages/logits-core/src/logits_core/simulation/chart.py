"""Charts of simulated figures: plain SVG text, one line for each router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 60, 210, 40, 50
COLOURS: Final = (
    "#4269d0", "#ff725c", "#6cc5b0", "#9c6b4e", "#a463f2", "#97bbf5", "#9498a0", "#ff8ab7", "#3ca951", "#efb118",
)  # fmt: skip

Points = Sequence[tuple[float, float]]


def line_chart(title: str, across: str, up: str, lines: Mapping[str, Points], most: float = 0.0) -> str:
    """Return an SVG chart.

    Args:
        title: Above it.
        across: What x is, with its unit.
        up: What y is, with its unit.
        lines: Points of each line, by its name.
        most: Largest y that is drawn, 0 for the largest there is; what is beyond stays at the edge.
    """
    xs = [x for points in lines.values() for x, _ in points]
    low, high = min(xs), max(xs)
    top = most or max(y for points in lines.values() for _, y in points) or 1.0

    def place(x: float, y: float) -> str:
        horizontal = LEFT + (x - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)
        vertical = HEIGHT - BOTTOM - min(y, top) / top * (HEIGHT - TOP - BOTTOM)
        return f"{horizontal:.1f},{vertical:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 10}">{escape(across)}</text>',
        f'<text x="{LEFT}" y="{TOP - 6}" fill="#555">{escape(up)}</text>',
    ]
    for step in range(5):
        y = top * step / 4
        _, vertical = place(low, y).split(",")
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{vertical}" y2="{vertical}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{vertical}" text-anchor="end" dy="4">{y:.3g}</text>')
    for x in sorted(set(xs)):
        horizontal, _ = place(x, 0).split(",")
        parts.append(f'<text x="{horizontal}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 16 * number
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{y}" width="12" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 34}" y="{y + 6}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
