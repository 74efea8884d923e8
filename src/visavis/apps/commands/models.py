"""`visavis models`: list, fetch, check and find model files."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from visavis.models.assets import Asset, Progress


@click.group("models")
def command() -> None:
    """List, fetch and check the model files."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(as_json: bool) -> None:
    """List every model with its use, licence and whether it is on this machine."""
    from visavis.models.assets import DEFAULT_ASSETS, entries, store

    rows = [(asset, store.find(asset.name)) for asset in entries().values()]
    if as_json:
        click.echo(json.dumps([_describe(a, str(p) if p else None) for a, p in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "use", "licence", "size", "here", box=None, pad_edge=False)
    for asset, path in rows:
        here = "yes" if path else "default" if asset.name in DEFAULT_ASSETS else "no"
        licence = asset.licence if asset.commercial else f"{asset.licence} (non-commercial)"
        table.add_row(asset.name, asset.use, licence, _megabytes(asset.size), here)
    Console().print(table)
    click.echo("\n`default`: not here yet, fetched by `visavis models pull` when no name is given.")


@command.command("pull")
@click.argument("names", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every model for commercial use of up to 500 MB; name the larger ones.",
)
@click.option(
    "--accept-noncommercial",
    is_flag=True,
    help="Also take models whose licence forbids commercial use.",
)
def pull_models(names: tuple[str, ...], everything: bool, accept_noncommercial: bool) -> None:
    """Fetch the models NAMES, or those that answering a question needs."""
    from visavis.models.assets import CATALOGUE, DEFAULT_ASSETS, home, pull

    if everything:
        names = tuple(
            a.name
            for a in CATALOGUE.values()
            if (a.commercial or accept_noncommercial) and not a.is_large
        )
    with _Reporter() as report:
        pull(names or DEFAULT_ASSETS, accept_noncommercial=accept_noncommercial, progress=report)
    click.echo(f"models are in {home()}", err=True)


@command.command("verify")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_models(names: tuple[str, ...], as_json: bool) -> None:
    """Hash the files of the models NAMES again, or of all that are here."""
    from visavis.core.errors import ChecksumMismatch
    from visavis.models.assets import verify

    report = verify(names or None)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        for name, faults in report.items():
            click.echo(f"{name}: {'; '.join(faults) if faults else 'ok'}")
    wrong = [name for name, faults in report.items() if faults]
    if wrong:
        raise ChecksumMismatch(
            f"{len(wrong)} of {len(report)} models are not as pinned:"
            f" run `visavis models pull {' '.join(wrong)}`"
        )


@command.command("where")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def where_models(name: str | None, as_json: bool) -> None:
    """Print the folders that are looked in, or the path of the model NAME."""
    from visavis.models.assets import folders, home, locate

    if name is not None:
        path = str(locate(name))
        click.echo(json.dumps({"name": name, "path": path}) if as_json else path)
    elif as_json:
        click.echo(json.dumps({"folders": [str(f) for f in folders()], "pull_to": str(home())}))
    else:
        for folder in folders():
            click.echo(f"{folder}{'  (models are pulled to here)' if folder == home() else ''}")


class _Reporter:
    """Shows a pull: a bar on a terminal, one line for each step elsewhere."""

    def __enter__(self) -> Callable[[Progress], None]:
        from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        self._steps: set[tuple[str, str]] = set()
        self._bars = Bars(
            "{task.description}",
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            disable=not sys.stderr.isatty(),
        )
        self._bars.__enter__()
        self._tasks: dict[str, int] = {}
        return self._show

    def __exit__(self, *_: object) -> None:
        self._bars.__exit__(None, None, None)

    def _show(self, progress: Progress) -> None:
        if self._bars.disable:
            if (progress.asset, progress.step) not in self._steps:
                self._steps.add((progress.asset, progress.step))
                size = f" ({_megabytes(progress.total)})" if progress.total else ""
                click.echo(f"  {progress.asset}: {progress.step}{size}", err=True)
            return
        from rich.progress import TaskID

        if progress.asset not in self._tasks:
            self._tasks[progress.asset] = self._bars.add_task(progress.asset, total=None)
        task = TaskID(self._tasks[progress.asset])
        self._bars.update(task, description=f"{progress.asset}: {progress.step}")
        if progress.total:
            self._bars.update(task, completed=progress.done, total=progress.total)
        elif progress.step == "is here":
            total = self._bars.tasks[task].total or 1
            self._bars.update(task, completed=total, total=total)


def _describe(asset: Asset, path: str | None) -> dict[str, object]:
    return {
        "name": asset.name,
        "use": asset.use,
        "licence": asset.licence,
        "licence_basis": asset.licence_basis,
        "commercial": asset.commercial,
        "origin": asset.origin,
        "kind": asset.kind,
        "size": asset.size,
        "path": path,
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
