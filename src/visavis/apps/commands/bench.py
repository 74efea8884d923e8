"""`visavis bench`: what each stage, and the live server, takes on this machine."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.apps.benchmarking import Measurement

STAGES = ("recognizer", "responder", "synthesizer", "animator", "encoder", "answer")


@click.command("bench")
@click.argument("stages", nargs=-1, type=click.Choice((*STAGES, "live")))
@click.option(
    "--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Of each case."
)
@click.option(
    "--sessions",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Listeners at once; only with live.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, 1440),
    default=0.0,
    help="Go on for so long at least; only with live.",
)
@click.option(
    "--known",
    is_flag=True,
    help="Answers that were spoken before, as those of a base are ahead of time; only with live.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    stages: tuple[str, ...], runs: int, sessions: int, minutes: float, known: bool, as_json: bool
) -> None:
    """Measure the STAGES, or all: time per second of output, first result and memory.

    Figures are medians after a run that warms up; 1.00 s per second is real time. With live alone, a
    server is started and listeners talk with it over WebRTC: end of speech to first sound and
    picture, interruption to silence, frames in time, CPU by thread.
    """
    if "live" in stages:
        if len(stages) > 1:
            raise click.UsageError("live is measured alone")
        _bench_live(runs, sessions, minutes, known, as_json)
        return
    from rich.console import Console
    from rich.table import Table

    from visavis.apps.assemble import Cast
    from visavis.apps.benchmarking import bench
    from visavis.apps.settings import load_settings

    def tell(measurement: Measurement) -> None:
        click.echo(f"  {measurement.stage}: {measurement.case}", err=True)

    report = bench(Cast(load_settings()), runs, stages, tell)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    machine = report["machine"]
    click.echo(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" load {machine['load']}, Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    )
    table = Table(
        "stage", "case", "loading s", "first result s", "s per second", "total s", "memory MB",
        box=None, pad_edge=False,
    )  # fmt: skip
    for row in report["measurements"]:
        per_second = "" if row["per_second"] is None else f"{row['per_second']:.3f}"
        table.add_row(
            row["stage"], row["case"], f"{row['loading']:.2f}", f"{row['first']:.3f}",
            per_second, f"{row['total']:.3f}", f"{row['memory']:.0f}",
        )  # fmt: skip
    Console(width=max(Console().width, 110)).print(table)


def _bench_live(turns: int, sessions: int, minutes: float, known: bool, as_json: bool) -> None:
    """Measure the live server and print it."""
    from visavis.apps.assemble import Cast
    from visavis.apps.settings import load_settings
    from visavis.core.errors import MissingExtra

    try:
        from visavis.apps.live_benchmark import bench_live
    except ImportError as error:
        raise MissingExtra(
            f"the live server needs the extra `live` ({error.name} is missing):"
            " pip install 'visavis[live]'"
        ) from error

    def tell(line: str) -> None:
        click.echo(f"  {line}", err=True)

    # Its server must not outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = bench_live(Cast(load_settings()), turns, sessions, minutes, tell, known=known)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    machine = report["machine"]
    click.echo(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']} before")
    for name, value in report["figures"].items():
        click.echo(f"{name:20} {_phrase(value)}")


def _phrase(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {part:g}" for name, part in value.items())
    return f"{value:g}"
