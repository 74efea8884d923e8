"""Draws figures with their intervals, one line for each system, as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES, _WIDTH, _STEP, _MARGIN = 170, 640, 28, 24
"""Pixels: of names, of all, of a line, of edges."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure; None where it cannot be said."""

    name: str
    value: float | None
    low: float | None
    high: float | None


def draw_intervals(bars: Sequence[Bar], least: float, most: float, what: str) -> str:
    """Draw dots with whiskers over a scale.

    Args:
        bars: From top to bottom.
        least: Left end of the scale.
        most: Right end of it.
        what: The scale's name.
    """
    bottom = _STEP * len(bars) + 8

    def at(value: float) -> float:
        share = (min(max(value, least), most) - least) / (most - least)
        return _NAMES + share * (_WIDTH - _NAMES - _MARGIN)

    ticks = [least + (most - least) * i / 4 for i in range(5)]
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 42}" width="{_WIDTH}" role="img"'
        f' aria-label="{html.escape(what)}" font-size="13" fill="currentColor">'
    ]
    for tick in ticks:
        x = f"{at(tick):.1f}"
        parts.append(f'<path d="M{x} 4V{bottom}" stroke="currentColor" opacity=".2"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    middle = (_NAMES + _WIDTH - _MARGIN) / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{html.escape(what)}</text>'
    )
    for i, bar in enumerate(bars):
        y = _STEP * i + _STEP / 2 + 4
        name = bar.name if len(bar.name) <= 24 else bar.name[:23] + "…"
        parts.append(
            f'<text x="{_NAMES - 12}" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>'
        )
        if bar.low is not None and bar.high is not None:
            low, high = at(bar.low), at(bar.high)
            parts.append(
                f'<path d="M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 5}v10M{high:.1f} {y - 5}v10"'
                ' stroke="#2f6fd0" stroke-width="2" fill="none"/>'
            )
        if bar.value is not None:
            parts.append(f'<circle cx="{at(bar.value):.1f}" cy="{y}" r="5" fill="#2f6fd0"/>')
    return "".join([*parts, "</svg>"])
