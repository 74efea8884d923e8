"""How the figures of the live server look on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

_COLUMNS = {
    "typed_to_sound": "typed → sound s",
    "spoken_to_sound": "spoken → sound s",
    "stop_to_silence": "stop → silence s",
    "fps": "fps",
    "distinct_fps_speaking": "distinct",
    "late_share": "late",
    "without_sound": "no sound",
    "cpu": "cores",
}
_SHARES = ("late_share", "without_sound")


def print_live(report: Mapping[str, Any]) -> None:
    """Print what ``bench_live`` or ``bench_visits`` measured."""
    _print_machine(report["machine"])
    for name, value in report["figures"].items():
        click.echo(f"{name:22} {_phrase(value)}")


def print_steps(report: Mapping[str, Any]) -> None:
    """Print what ``bench_until_worse`` measured: a row for each number of sessions, and the end."""
    from rich.console import Console
    from rich.table import Table

    from visavis.apps.live_capacity import conclude

    _print_machine(report["machine"])
    table = Table("sessions", *_COLUMNS.values(), box=None, pad_edge=False)
    for step in report["steps"]:
        figures = step["figures"]
        cells = [_cell(figures, name) for name in _COLUMNS] if figures is not None else []
        table.add_row(str(step["sessions"]), *cells)
    Console(width=max(Console().width, 110)).print(table)
    click.echo(conclude(report))


def _print_machine(machine: Mapping[str, Any]) -> None:
    click.echo(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']} before")


def _cell(figures: Mapping[str, Any], name: str) -> str:
    if name == "cpu":
        return f"{figures['cpu_talking']['all']:.2f}"
    value = figures.get(name)
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return f"{value['p50']:.2f} ({value['p95']:.2f})"
    return f"{value:.1%}" if name in _SHARES else f"{value:.1f}"


def _phrase(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_phrase(part)}" for name, part in value.items())
    return f"{value:g}"
