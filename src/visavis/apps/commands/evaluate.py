"""`visavis evaluate`: measure videos of talking faces, and say how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.core.types import Floats, Picture, Waveform
    from visavis.evaluation.judges import Judges, Recognise


@click.command("evaluate")
@click.argument("generated", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="The real video, or a folder whose files have the same names.",
)
@click.option(
    "--metrics",
    default="default",
    show_default=True,
    help="Names or groups, by commas: default, all, -name leaves one out.",
)
@click.option("--list", "list_them", is_flag=True, help="List the metrics.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True, help="Folder of the report; an unfinished one is gone on with.")  # fmt: skip
@click.option("--name", help="Of what is measured; the folder's or file's unless told.")
@click.option("--emotion", help="What the faces were to show.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Networks that judge single pictures see every so many-th frame.",
)
@click.option("--seconds", type=click.FloatRange(0.2), help="Read no more of each clip.")
@click.option("--expert", type=click.Path(path_type=Path), help="Folder of another sync expert.")
@click.option("--syncnet", type=click.Path(path_type=Path), help="The published syncnet_v2.model: gives LSE-D and LSE-C.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    generated: tuple[Path, ...],
    reference: Path | None,
    metrics: str,
    list_them: bool,
    output: Path,
    name: str | None,
    emotion: str | None,
    every: int,
    seconds: float | None,
    expert: Path | None,
    syncnet: Path | None,
    as_json: bool,
) -> None:
    """Measure videos of talking faces: files, folders, or lists of pairs (CSV, JSON).

    Writes report.json, report.md and report.html, which stands alone. Figures say how they were
    measured; `visavis compare` puts reports side by side.
    """
    if list_them:
        _list_metrics()
        return
    if not generated:
        raise click.UsageError("give a video, a folder of videos or a list; or --list")
    from visavis.core.types import FPS
    from visavis.evaluation.clip_task import Options
    from visavis.evaluation.evaluating import evaluate
    from visavis.evaluation.judges import Judges
    from visavis.evaluation.metrics import choose
    from visavis.evaluation.pairs import find_tasks
    from visavis.evaluation.report_page import write_page

    groups = choose([part.strip() for part in metrics.split(",") if part.strip()])
    if metrics == "default":
        groups = _with_weights(groups)
    tasks = find_tasks(generated, reference, _emotion(emotion))
    options = Options(groups, every, None if seconds is None else max(5, round(seconds * FPS)))
    judges = Judges(_recogniser() if "words" in groups else None, expert=expert)
    if syncnet is not None and "lse" in groups:
        judges.syncnet = _published_judge(syncnet, judges)
    if name is None:
        name = generated[0].resolve().stem if len(generated) == 1 else "generated"
    output.mkdir(parents=True, exist_ok=True)
    with _Progress(len(tasks)) as bar:
        report = evaluate(tasks, name, options, judges, output, tell=bar.tell)
    page = write_page(output, [report])
    if as_json:
        click.echo((output / "report.json").read_text(encoding="utf-8"))
        return
    _print_summary(report)
    click.echo(f"report    {page}")


def _with_weights(groups: frozenset[str]) -> frozenset[str]:
    """Leave out, and say so, what nobody named and whose network is not on this machine."""
    from visavis.core.errors import AssetError
    from visavis.evaluation.metrics import METRICS
    from visavis.models.assets import locate

    missing: dict[str, str] = {}
    for metric in METRICS:
        if metric.group in groups and metric.network and metric.group not in missing:
            try:
                locate(metric.network)
            except AssetError:
                missing[metric.group] = metric.network
    for group, asset in missing.items():
        click.echo(f"without {group}: run `visavis models pull {asset}`", err=True)
    return groups - set(missing)


def _print_summary(report: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from visavis.evaluation.metrics import BY_NAME
    from visavis.evaluation.report import say

    table = Table(box=None, pad_edge=False)
    for column in ("metric", "value (95 %)", "unit", "better", "clips"):
        table.add_column(column, justify="right" if column == "clips" else "left")
    for key, figure in report.summary().items():
        metric = BY_NAME[key]
        table.add_row(metric.title, say(figure), metric.unit, metric.better, str(figure.clips))
    Console().print(table)
    for row in report.clips:
        if row.error:
            click.echo(f"not measured: {row.name}: {row.error}", err=True)
    for note in report.notes:
        click.echo(f"note      {note}")


def _list_metrics() -> None:
    from visavis.evaluation.metrics import METRICS, SLOW

    for metric in METRICS:
        needs = f"; needs {', '.join(metric.needs)}" if metric.needs else ""
        rare = "; only when named" if metric.group in SLOW else ""
        click.echo(f"{metric.name} ({metric.group}): {metric.definition}{needs}{rare}")


def _emotion(text: str | None) -> Any:
    from typing import get_args

    from visavis.core.types import Emotion

    if text is not None and text not in get_args(Emotion):
        raise click.BadParameter(
            f"{text!r} is no emotion; there are: {', '.join(get_args(Emotion))}",
            param_hint="--emotion",
        )
    return text


def _recogniser() -> Recognise:
    """Hear what a file says, by the recogniser for files."""
    import asyncio
    from collections.abc import AsyncIterator

    from visavis.core import registry

    recogniser = registry.load("recognizers", "whisper")()

    async def once(waveform: Waveform) -> AsyncIterator[Waveform]:
        yield waveform

    async def hear(waveform: Waveform) -> str:
        final = [t.text async for t in recogniser.transcribe(once(waveform)) if t.is_final]
        return " ".join(final)

    return lambda waveform: asyncio.run(hear(waveform))


def _published_judge(weights: Path, judges: Judges) -> Any:
    """SyncNet v2, shown the faces that this project's detector finds."""
    from visavis.models.syncnet_v2.predictor import SyncNetJudge

    def detect(image: Picture) -> list[Floats]:
        return [face.box for face in judges.detector.detect(image)]

    return SyncNetJudge(weights, detect, "yunet")


class _Progress:
    """A line that tells the clip and how much of it was read."""

    def __init__(self, clips: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("measuring", total=clips)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, number: int, task: Any, seconds: float) -> None:
        """Show where it is."""
        read = f" {seconds:.0f} s" if seconds else ""
        self._bar.update(self._task, completed=number, description=f"{task.name[:40]}{read}")
