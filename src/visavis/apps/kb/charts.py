"""Line charts as SVG, which need nothing but the page that they stand in."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

COLOURS = ("#4b7bec", "#e0752d", "#2a9d6f", "#b455c8")
"""Of series, in their order; each has its name beside the chart too."""

_WIDTH, _HEIGHT = 520, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 26, 14, 50
"""Pixels: of all, and of the margins."""
_STEPS = 5

Place: TypeAlias = Callable[[float, float], tuple[float, float]]
"""Takes x and y to pixels."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line.

    Attributes:
        name: What it is of.
        points: x and y from left to right.
        sizes: Radius of a dot at each point, in pixels; none for a plain line.
        marks: Points that are pointed out: x, y and what they are.
    """

    name: str
    points: Sequence[tuple[float, float]]
    sizes: Sequence[float] = ()
    marks: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        title: Of the chart.
        across: Name of the x axis.
        up: Name of the y axis.
        series: Lines.
        x: Range.
        y: Range.
        steps: Of the x axis.
        percent: Whether the axes are labelled in percent: x, y.
        diagonal: Whether y = x is drawn as a help.
    """

    title: str
    across: str
    up: str
    series: Sequence[Series]
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    steps: int = _STEPS
    percent: tuple[bool, bool] = (False, False)
    diagonal: bool = False


def draw(chart: Chart) -> str:
    """Draw a chart; what is outside its ranges is cut off."""
    name = "".join(c for c in chart.title.lower() if c.isalnum())
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - chart.x[0]) / (chart.x[1] - chart.x[0])
        up = (y - chart.y[0]) / (chart.y[1] - chart.y[0])
        return _LEFT + across * inner_width, _TOP + (1 - up) * inner_height

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" font-size="12"'
        f' fill="currentColor" aria-label="{html.escape(chart.title)}">'
        f'<clipPath id="{name}"><rect x="{_LEFT}" y="{_TOP}" width="{inner_width}"'
        f' height="{inner_height}"/></clipPath>',
        *_draw_axes(chart, at),
        f'<g clip-path="url(#{name})">',
    ]
    if chart.diagonal:
        (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="currentColor" opacity=".4"'
            ' stroke-dasharray="4 4"/>'
        )
    for number, one in enumerate(chart.series):
        parts += _draw_series(one, COLOURS[number % len(COLOURS)], at)
    parts.append("</g>")
    for number, one in enumerate(chart.series):
        parts += _draw_marks(one, COLOURS[number % len(COLOURS)], at, 16 * number)
    return "".join([*parts, "</svg>", _draw_legend(chart.series)])


def _draw_axes(chart: Chart, at: Place) -> list[str]:
    parts = []
    for step in range(chart.steps + 1):
        x = chart.x[0] + step / chart.steps * (chart.x[1] - chart.x[0])
        left, bottom = at(x, chart.y[0])
        parts.append(
            f'<path d="M{left:.1f} {_TOP}V{bottom:.1f}" stroke="currentColor" opacity=".15"/>'
            f'<text x="{left:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">'
            f"{_label(x, chart.percent[0])}</text>"
        )
    for step in range(_STEPS + 1):
        y = chart.y[0] + step / _STEPS * (chart.y[1] - chart.y[0])
        left, level = at(chart.x[0], y)
        parts.append(
            f'<path d="M{left:.1f} {level:.1f}H{_WIDTH - _RIGHT}" stroke="currentColor"'
            ' opacity=".15"/>'
            f'<text x="{left - 7:.1f}" y="{level + 4:.1f}" text-anchor="end">'
            f"{_label(y, chart.percent[1])}</text>"
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    height = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 12}" text-anchor="middle">{html.escape(chart.across)}</text>'
        f'<text transform="translate(14 {height}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(chart.up)}</text>"
    )
    return parts


def _label(value: float, percent: bool) -> str:
    return f"{100 * value:.3g} %" if percent else f"{value:.3g}"


def _draw_series(one: Series, colour: str, at: Place) -> list[str]:
    places = [at(x, y) for x, y in one.points]
    if not places:
        return []
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = [f'<path d="M{line}" stroke="{colour}" stroke-width="2" fill="none"/>']
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{colour}" fill-opacity=".6"/>'
        for (x, y), size in zip(places, one.sizes, strict=False)
    ]
    return parts


def _draw_marks(one: Series, colour: str, at: Place, lift: int) -> list[str]:
    """Draw marks; those of several series may be near one another, so texts stand at heights."""
    parts = []
    for x, y, text in one.marks:
        left, level = at(x, y)
        is_right = left > _WIDTH * 0.6
        anchor, shift = ("end", -2) if is_right else ("start", 9)
        parts.append(
            f'<circle cx="{left:.1f}" cy="{level:.1f}" r="5" fill="{colour}" stroke="currentColor"/>'
            f'<text x="{left + shift:.1f}" y="{max(level - 9 - lift, _TOP + 10):.1f}"'
            f' text-anchor="{anchor}" fill="{colour}">{html.escape(text)}</text>'
        )
    return parts


def _draw_legend(series: Sequence[Series]) -> str:
    items = "".join(
        f'<span><i style="background:{COLOURS[number % len(COLOURS)]}"></i>{html.escape(one.name)}</span>'
        for number, one in enumerate(series)
    )
    return f'<p class="legend">{items}</p>'
