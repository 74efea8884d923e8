"""`visavis bench`: what each stage, and the live server, takes on this machine."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

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
@click.option(
    "--until-worse",
    is_flag=True,
    help="One listener, then two, and so on, until quality falls; only with live.",
)
@click.option(
    "--visits",
    type=click.IntRange(2, 100_000),
    help="So many come and go; what the server then holds that it did not before; only with live.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    stages: tuple[str, ...],
    runs: int,
    sessions: int,
    minutes: float,
    known: bool,
    until_worse: bool,
    visits: int | None,
    as_json: bool,
) -> None:
    """Measure the STAGES, or all: time per second of output, first result and memory.

    Figures are medians after a run that warms up; 1.00 s per second is real time. With live alone, a
    server is started and listeners talk with it over WebRTC: end of speech to first sound and
    picture, interruption to silence, frames in time, CPU by stage.
    """
    if "live" in stages:
        if len(stages) > 1:
            raise click.UsageError("live is measured alone")
        if until_worse + (visits is not None) + (sessions > 1 or minutes > 0) > 1:
            raise click.UsageError(
                "one of --until-worse, --visits, or --sessions with --minutes at a time"
            )
        if visits is not None and known:
            raise click.UsageError("--known says nothing about --visits")
        _bench_live(runs, sessions, minutes, known, until_worse, visits, as_json)
        return
    if until_worse or visits is not None:
        raise click.UsageError("--until-worse and --visits are of live: visavis bench live")
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


def _bench_live(
    turns: int,
    sessions: int,
    minutes: float,
    known: bool,
    until_worse: bool,
    visits: int | None,
    as_json: bool,
) -> None:
    """Measure the live server and print it."""
    from visavis.apps.assemble import Cast
    from visavis.apps.live_printing import print_live, print_steps
    from visavis.apps.settings import load_settings
    from visavis.core.errors import MissingExtra

    try:
        from visavis.apps.live_benchmark import bench_live
        from visavis.apps.live_capacity import bench_until_worse
        from visavis.apps.live_visits import bench_visits
    except ImportError as error:
        raise MissingExtra(
            f"the live server needs the extra `live` ({error.name} is missing):"
            " pip install 'visavis[live]'"
        ) from error

    def tell(line: str) -> None:
        click.echo(f"  {line}", err=True)

    # Its server must not outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cast = Cast(load_settings())
    if until_worse:
        report = bench_until_worse(cast, turns, tell, known=known)
    elif visits is not None:
        report = bench_visits(cast, visits, tell)
    else:
        report = bench_live(cast, turns, sessions, minutes, tell, known=known)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    elif until_worse:
        print_steps(report)
    else:
        print_live(report)
