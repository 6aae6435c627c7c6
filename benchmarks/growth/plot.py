"""Draws how costs grow with the event store, as an SVG file."""

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Protocol

from benchmarks.growth.cases import BASE, CASES, LARGE, SMALL

WIDTH, HEIGHT, COLUMNS = 230, 150, 3
LEFT, TOP, RIGHT, BOTTOM = 40, 34, 14, 24
TICKS = (0.1, 1, 10)
"""Costs at which there is a line, relative to those in BASE."""
_STYLE = (
    "text{font:10px sans-serif;fill:#222}.title{font-weight:bold}.grid{stroke:#ddd}"
    ".line{fill:none;stroke:#1f5fa8;stroke-width:2}.dot{fill:#1f5fa8}.back{fill:#fff}"
)


class Point(Protocol):
    """The members of a figure that the plot uses."""

    @property
    def case(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def value(self) -> float: ...


def plot(figures: Sequence[Point]) -> str:
    """One panel for each part and unit with more than one size: its cost relative to that in BASE."""
    panels: list[str] = []
    for part, unit in dict.fromkeys((figure.part, figure.unit) for figure in figures):
        values = {one.case: one.value for one in figures if (one.part, one.unit) == (part, unit)}
        sizes = [name for name in (SMALL, BASE, LARGE) if values.get(name)]
        if BASE in sizes and len(sizes) > 1:
            inverse = -1 if unit.endswith("/s") else 1
            costs = [(CASES[name].events, (values[name] / values[BASE]) ** inverse) for name in sizes]
            panels.append(_panel(len(panels), f"{part}, {unit}", costs))
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * rows}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<style>{_STYLE}</style>\n'
    return head + '<rect class="back" width="100%" height="100%"/>\n' + "\n".join(panels) + "\n</svg>\n"


def _panel(number: int, title: str, costs: Sequence[tuple[int, float]]) -> str:
    x, y = WIDTH * (number % COLUMNS), HEIGHT * (number // COLUMNS)
    parts = [
        f'<g transform="translate({x} {y})">',
        f'<text class="title" x="8" y="16">{escape(title)}</text>',
    ]
    for tick in TICKS:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(tick)}" y2="{_y(tick)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{_y(tick) + 3}" text-anchor="end">{tick:g}×</text>')
    points = [(_x(events), _y(cost), cost) for events, cost in costs]
    parts.append(f'<polyline class="line" points="{" ".join(f"{px},{py}" for px, py, _ in points)}"/>')
    for (px, py, cost), (events, _) in zip(points, costs, strict=True):
        parts.append(f'<circle class="dot" cx="{px}" cy="{py}" r="3"/>')
        parts.append(f'<text x="{px}" y="{py - 7}" text-anchor="middle">{cost:.2f}</text>')
        parts.append(f'<text x="{px}" y="{HEIGHT - 8}" text-anchor="middle">{_short(events)}</text>')
    return "\n".join([*parts, "</g>"])


def _x(events: int) -> float:
    first, last = log10(CASES[SMALL].events), log10(CASES[LARGE].events)
    inner = LEFT + 14, WIDTH - RIGHT - 14
    return round(inner[0] + (log10(events) - first) / (last - first) * (inner[1] - inner[0]), 1)


def _y(cost: float) -> float:
    low, high = log10(TICKS[0]), log10(TICKS[-1])
    share = (min(max(log10(cost), low), high) - low) / (high - low)
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def _short(events: int) -> str:
    return f"{events // 1_000_000} M" if events >= 1_000_000 else f"{events // 1_000} k"
