"""`visavis mos`: let people rate videos blindly, and report what they said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

_PATH = click.Path(path_type=Path)


@click.group("mos")
def command() -> None:
    """Let people rate videos blindly, and report what they said."""


@command.command("plan")
@click.argument("folders", nargs=-1, required=True, metavar="[NAME=]FOLDER...")
@click.option("-o", "--output", type=_PATH, required=True, help="The TOML to write.")
@click.option(
    "--kind",
    type=click.Choice(["scores", "pairs"]),
    default="scores",
    show_default=True,
    help="1 to 5 for one video, or which of two is better.",
)
@click.option("--title", default="Video study · 视频评测", help="What raters read.")
def make_plan(
    folders: tuple[str, ...], output: Path, kind: Literal["scores", "pairs"], title: str
) -> None:
    """Write a plan that compares FOLDERS of videos, each of which is a system.

    Videos of one name are of one item. The plan is a text to be edited: questions, catch trials, how
    many trials a rater gets.
    """
    from visavis.apps.mos.drafting import compose_plan
    from visavis.media.files import finish_or_discard

    named: dict[str, Path] = {}
    for given in folders:
        name, equals, folder = given.partition("=")
        if not equals or Path(given).is_dir():
            name, folder = Path(given).resolve().name, given
        if not name or name in named:
            raise click.UsageError(f"two systems would be called {name!r}; write NAME={folder}")
        named[name] = Path(folder)
    text, left_out = compose_plan(named, output.parent, kind, title)
    with finish_or_discard(output) as part:
        part.write_text(text, encoding="utf-8")
    if left_out:
        shown = ", ".join(left_out[:5]) + (" …" if len(left_out) > 5 else "")
        click.echo(f"note: not every folder has {shown}; left out: {len(left_out)}", err=True)
    click.echo(f"written: {output}; `visavis mos serve {output}` shows it")


@command.command("serve")
@click.argument("plan", type=_PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for all networks.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8020, show_default=True, help="0 for any."
)
@click.option("--database", type=_PATH, help="Of answers; beside PLAN by default.")
def serve(plan: Path, host: str, port: int, database: Path | None) -> None:
    """Serve the page where PLAN is rated, on phones and desktops.

    No name of a system, item or file reaches the page. Started again it goes on where it was. Anybody
    with its address can take part; before the open Internet put a proxy with HTTPS.
    """
    from visavis.core.errors import MissingExtra

    try:
        from visavis.apps.mos import running
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("visavis"):
            raise
        raise MissingExtra(
            f"the page of raters needs {error.name}, which is not installed;"
            " install the extra: pip install 'visavis[live]'"
        ) from error

    def say(hint: str) -> None:
        click.echo(f"note: {hint}", err=True)

    def ready(link: str) -> None:
        click.echo(f"ready: {link}")
        sys.stdout.flush()

    running.serve(plan, database, host, port, say=say, ready=ready)


@command.command("report")
@click.argument("source", type=_PATH, metavar="DATABASE|PLAN")
@click.option("-o", "--output", type=_PATH, required=True, help="Folder of the report.")
@click.option(
    "--draws", type=click.IntRange(100), default=2000, show_default=True, help="Of the bootstrap."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
def report(source: Path, output: Path, draws: int, seed: int) -> None:
    """Report what raters said: scores, intervals, agreement, ranking.

    Writes report.html, report.md, report.json and answers.csv. The server may be running.
    """
    from visavis.apps.mos.analysis import analyse
    from visavis.apps.mos.answers import read_answers
    from visavis.apps.mos.report import write_report

    is_plan = source.suffix.lower() in (".toml", ".json")
    answers = read_answers(source.with_suffix(".sqlite") if is_plan else source)
    if not answers.rows:
        click.echo("note: nobody has answered yet", err=True)
    for path in write_report(output, analyse(answers, draws=draws, seed=seed), answers):
        click.echo(f"written: {path}")
