"""`visavis avatar`: make, check, list, show, draw, tune and remove avatars."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.core.types import Avatar
    from visavis.stages.avatars.report import CheckReport
    from visavis.stages.avatars.scan import Progress
    from visavis.stages.avatars.store import Stored

_SIGNS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("fail", "red")}


@click.group("avatar")
def command() -> None:
    """Make, check, list, show, draw, tune and remove avatars."""


@command.command("create")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What to call it.")
@click.option("--voice-zh", help="Its voice for Chinese.")
@click.option("--voice-en", help="Its voice for English.")
@click.option("--force", is_flag=True, help="Make it although the face is unfit in some way.")
@click.option("--overwrite", is_flag=True, help="Replace an avatar of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_avatar(
    source: Path,
    name: str,
    voice_zh: str | None,
    voice_en: str | None,
    force: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make an avatar of SOURCE, a picture or a video.

    A video keeps its motion: the best stretch of its first half minute becomes a loop without a
    visible seam.
    """
    from visavis.stages.avatars import store

    voice = {"zh": voice_zh, "en": voice_en}
    with _show_progress(source.name) as progress:
        path, avatar, report = store.create(
            source,
            name,
            voice={language: v for language, v in voice.items() if v},
            force=force,
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        made = {"name": avatar.name, "path": str(path), **_describe(avatar)}
        click.echo(_dump({**made, "check": report.describe()}))
        return
    _print_problems(report)
    size = f"{avatar.frames.shape[2]} x {avatar.frames.shape[1]}"
    length = "a picture" if avatar.is_portrait else f"a loop of {len(avatar.frames) / 25:.1f} s"
    click.echo(f"{avatar.name}: {length}, {size} pixels, in {path}")


@command.command("check")
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check_avatars(ctx: click.Context, sources: tuple[Path, ...], as_json: bool) -> None:
    """Say whether pictures or videos SOURCES are fit to be avatars, and what to do.

    Ends with exit code 2 when one of them is not.
    """
    from visavis.stages.avatars.check_source import check_source

    reports = []
    for source in sources:
        with _show_progress(source.name) as progress:
            reports.append(check_source(source, progress))
        if not as_json:
            _print_report(reports[-1])
    if as_json:
        click.echo(_dump([report.describe() for report in reports]))
    if any(report.verdict == "fail" for report in reports):
        ctx.exit(2)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_avatars(as_json: bool) -> None:
    """List the avatars shipped and the user's own."""
    from visavis.stages.avatars import store

    rows = [_summarise(stored) for stored in store.list_avatars()]
    if as_json:
        click.echo(_dump(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what", "pixels", "size", "origin", box=None, pad_edge=False)
    for row in rows:
        origin = "shipped, default" if row["default"] else row["origin"]
        size = f"{row['bytes'] / 1e6:.1f} MB"
        table.add_row(row["name"], row["what"], row["pixels"], size, origin)
    Console().print(table)
    click.echo(f"\nyour own are in {store.home()}")


@command.command("show")
@click.argument("name")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="Write its first frame as a PNG here."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_avatar(name: str, picture: Path | None, as_json: bool) -> None:
    """Say what the avatar NAME is, and where it came from."""
    from visavis.media.picture import write_png
    from visavis.stages.avatars import store
    from visavis.stages.avatars.tuned import find_tuned, read_card

    stored = store.find(name)
    avatar = store.load(stored.path)
    if picture is not None:
        write_png(picture, avatar.frames[0])
    rows: dict[str, Any] = {
        "name": stored.name,
        "origin": stored.origin,
        "path": str(stored.path),
    }
    rows |= _describe(avatar)
    tuned = find_tuned(avatar)
    if tuned is not None:
        rows["tuned"] = {"path": str(tuned), **(read_card(tuned) or {})}
    if as_json:
        click.echo(_dump(rows))
        return
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{key:<{width}}  {shown}")


@command.command("sheet")
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The PNG to write."
)
@click.option(
    "--size",
    type=click.IntRange(96, 1080),
    default=288,
    show_default=True,
    help="Shorter side of each picture, pixels.",
)
def draw_sheet(name: str, output: Path, size: int) -> None:
    """Draw all that the puppet makes of an avatar: emotions, mouth shapes, blinks and turns.

    NAME is a stored avatar, an .avatar file, a picture or a video.
    """
    from visavis.media.picture import write_png
    from visavis.stages.animators.contact_sheet import draw_contact_sheet
    from visavis.stages.avatars import store

    write_png(output, draw_contact_sheet(store.load(name), size))
    click.echo(f"drawn: {output}")


@command.command("tune")
@click.argument("name")
@click.option(
    "--video",
    "videos",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="The same person, speaking for a minute or more. May be given several times.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 6000),
    default=20.0,
    show_default=True,
    help="Of learning; reading the video comes on top.",
)
@click.option(
    "--weights",
    default="",
    help="What to begin with: 96, 192, 384 or a folder; what it was tuned with before by default.",
)
@click.option(
    "--expert",
    type=click.Path(path_type=Path),
    help="Folder of a lip-sync expert; the one that comes with visavis by default.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tune_lips(
    name: str,
    videos: tuple[Path, ...],
    minutes: float,
    weights: str,
    expert: Path | None,
    as_json: bool,
) -> None:
    """Let the lips of the stored avatar NAME learn from videos of the person, for the animator wav2lip.

    A part of the video is held out; what was learnt is kept if it is better on that. Stopped by
    Ctrl-C, it goes on when called again.
    """
    from visavis.apps.tuning import describe, tune_avatar

    def tell(line: str) -> None:
        click.echo(line, err=True)

    with _show_progress(", ".join(video.name for video in videos)) as progress:
        made = tune_avatar(
            name,
            videos,
            minutes=minutes,
            weights=weights,
            expert=expert,
            tell=tell,
            prepared=lambda share: progress("reading", share),
        )
    if as_json:
        click.echo(_dump(made))
        return
    for line in describe(made):
        click.echo(line)


@command.command("remove")
@click.argument("name")
def remove_avatar(name: str) -> None:
    """Delete the user's own avatar NAME."""
    from visavis.stages.avatars import store

    click.echo(f"removed {store.remove(name)}")


def _summarise(stored: Stored) -> dict[str, Any]:
    """What a list says of an avatar; a damaged pack does not spoil the list."""
    from visavis.core.errors import FileUnreadable
    from visavis.media.pack import read_avatar_info
    from visavis.stages.avatars import store

    row: dict[str, Any] = {
        "name": stored.name,
        "what": "damaged",
        "pixels": "",
        "voice": {},
        "bytes": stored.path.stat().st_size,
        "origin": stored.origin,
        "default": stored.name == store.DEFAULT,
        "path": str(stored.path),
    }
    try:
        about = read_avatar_info(stored.path)
    except FileUnreadable:
        return row
    loop = f"a loop of {about['count'] / 25:.1f} s"
    row["what"] = about["info"].get("about") or ("a picture" if about["count"] == 1 else loop)
    row["pixels"] = f"{about['width']} x {about['height']}"
    row["voice"] = about["voice"]
    return row


def _describe(avatar: Avatar) -> dict[str, Any]:
    height, width = avatar.frames.shape[1:3]
    box = avatar.track.boxes[0]
    return {
        "frames": len(avatar.frames),
        "width": width,
        "height": height,
        "face_width": round(float(box[2] - box[0])),
        "voice": dict(avatar.voice),
        "info": dict(avatar.info),
    }


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    verdict = {"ok": "fit", "warn": "usable", "fail": "not usable"}[report.verdict]
    console.print(Text(f"{report.source}: {verdict}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    for item in report.items:
        sign, colour = _SIGNS[item.verdict]
        text = Text(item.found + (f"\n→ {item.advice}" if item.advice else ""))
        table.add_row(f"  [{colour}]{sign}[/{colour}]", item.name, text)
    console.print(table)


def _print_problems(report: CheckReport) -> None:
    for item in (*report.failures, *report.warnings):
        advice = f"; {item.advice}" if item.advice else ""
        click.echo(f"{item.verdict}: {item.found}{advice}", err=True)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@contextlib.contextmanager
def _show_progress(what: str) -> Iterator[Progress]:
    """Show a bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bars = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bars:
        task = bars.add_task(escape(what), total=1.0)

        def report(step: str, done: float) -> None:
            bars.update(task, description=escape(f"{what}: {step}"), completed=done)

        yield report
