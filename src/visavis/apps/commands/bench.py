"""`visavis bench`: what each stage takes on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from visavis.apps.benchmarking import Measurement

STAGES = ("recognizer", "responder", "synthesizer", "animator", "encoder", "answer")


@click.command("bench")
@click.argument("stages", nargs=-1, type=click.Choice(STAGES))
@click.option(
    "--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Of each case."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(stages: tuple[str, ...], runs: int, as_json: bool) -> None:
    """Measure the STAGES, or all: time per second of output, first result and memory.

    Figures are medians after a run that warms up; 1.00 s per second is real time.
    """
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
