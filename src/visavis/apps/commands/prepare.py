"""`visavis prepare`: videos of talking faces into clips that networks are trained on."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.training.data.prepare import PrepareSettings, Progress


@click.command("prepare")
@click.argument("videos", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the clips; an unfinished one is gone on with.",
)
@click.option(
    "--size",
    type=click.IntRange(64, 1024),
    default=192,
    show_default=True,
    help="Pixels of a side of the face crops.",
)
@click.option(
    "--upright",
    type=click.IntRange(0, 1024),
    default=0,
    help="Also keep crops of the whole head set upright, of so many pixels (256).",
)
@click.option(
    "--clip-seconds",
    type=click.FloatRange(0.8, 600),
    help="Cut into clips of this length, rather than one for each sentence.",
)
@click.option(
    "--person",
    "person_by",
    type=click.Choice(["folder", "file", "face"]),
    default="folder",
    show_default=True,
    help="What tells people apart.",
)
@click.option(
    "--split",
    "val_share",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of the people for validation; folders named train, val or test come first.",
)
@click.option(
    "--least-face",
    type=click.FloatRange(16, 2000),
    default=64.0,
    show_default=True,
    help="Pixels across; smaller faces are left out.",
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; one for each core.")
@click.option("--limit", type=click.IntRange(1), help="Videos at most.")
@click.option(
    "--expert",
    type=click.Path(path_type=Path),
    help="Folder of a sync expert: it tells who speaks where several are in view, and measures by"
    " how much the sound is late. Without VIDEOS, only that is done.",
)
@click.option(
    "--together",
    type=click.Choice(["clip", "source", "person"]),
    default="source",
    show_default=True,
    help="Whose clips have one offset.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    videos: tuple[Path, ...],
    output: Path,
    size: int,
    upright: int,
    clip_seconds: float | None,
    person_by: Any,
    val_share: float,
    least_face: float,
    jobs: int | None,
    limit: int | None,
    expert: Path | None,
    together: Any,
    as_json: bool,
) -> None:
    """Cut VIDEOS, files or folders, into clips of one person who talks.

    Faces are found and followed, sentences found by their sound; nothing crosses a cut. The person
    is the folder that a video lies in, and is in one split only. What could not be used is listed
    with its reason in the report. Stopped by Ctrl-C, it goes on when called again.
    """
    if not videos and expert is None:
        raise click.UsageError("name videos or folders of videos")
    from visavis.training.data.clip_cutting import Cutting
    from visavis.training.data.clip_making import Making
    from visavis.training.data.prepare import PrepareSettings, read_manifest, refresh
    from visavis.training.data.prepare_report import write_report

    made: dict[str, Any] = {}
    if videos:
        settings = PrepareSettings(
            Making(
                size=size,
                upright=upright,
                cutting=Cutting(seconds=clip_seconds),
                least_face=least_face,
            ),
            person_by,
            val_share,
        )
        _prepare(videos, output, settings, jobs or os.cpu_count() or 1, limit, expert)
    if expert is not None:
        _measure(output, expert, together, made)
        refresh(output)
    manifest = read_manifest(output)
    report = write_report(output, manifest)
    made |= {name: manifest[name] for name in ("clips", "frames", "splits")}
    made["report"] = str(report)
    made["failed"] = [
        {"file": source["file"], "error": source["error"]}
        for source in manifest["sources"]
        if source["error"]
    ]
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False, indent=2))
    else:
        _tell(made)
    if not manifest["clips"]:
        from visavis.core.errors import FaceUnusable

        raise FaceUnusable(f"no clip could be made; {report} says why, video by video")


def _prepare(
    videos: tuple[Path, ...],
    output: Path,
    settings: PrepareSettings,
    jobs: int,
    limit: int | None,
    expert: Path | None,
) -> None:
    from visavis.training.data.prepare import prepare

    with _bar("preparing") as advance:

        def told(progress: Progress) -> None:
            failed = f", {progress.failed} unusable" if progress.failed else ""
            text = f"{progress.done} of {progress.sources} videos, {progress.clips} clips{failed}"
            advance(progress.share, text)

        prepare(videos, output, settings, jobs=jobs, limit=limit, expert=expert, told=told)


def _measure(output: Path, expert: Path, together: Any, made: dict[str, Any]) -> None:
    """Measure offsets by the expert in a folder."""
    from visavis.models.syncnet.predictor import SyncExpert
    from visavis.training.data.clip_offsets import SURE, measure_offsets

    network = SyncExpert(expert)
    with _bar("measuring offsets") as advance:

        def told(done: int, total: int) -> None:
            advance(done / max(total, 1), f"{done} of {total} clips")

        measured = measure_offsets(output, network, together=together, told=told)
    sure = [m for m in measured.values() if m.confidence >= SURE]
    made["offsets"] = {
        "sure": len(sure),
        "moved": sum(round(m.offset) != 0 for m in sure),
        "clips": len(measured),
    }


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Any]:
    """A bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task(title, total=1.0, text="")

        def advance(share: float, text: str) -> None:
            progress.update(task, completed=share, text=text)

        yield advance


def _tell(made: dict[str, Any]) -> None:
    for name, part in made["splits"].items():
        seconds = part["frames"] / 25
        click.echo(
            f"{name}: {part['clips']} clips of {part['people']} people, {seconds / 60:.1f} minutes"
        )
    if "offsets" in made:
        o = made["offsets"]
        click.echo(f"offsets: {o['sure']} of {o['clips']} clips sure, {o['moved']} not in time")
    for source in made["failed"][:10]:
        click.echo(f"unusable: {source['error']}", err=True)
    if len(made["failed"]) > 10:
        click.echo(f"unusable: {len(made['failed']) - 10} more videos", err=True)
    click.echo(f"report: {made['report']}")
