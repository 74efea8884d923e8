"""`visavis voice`: prepare a voice of somebody's own."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from visavis.core.types import Language

_PATH = click.Path(path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group("voice")
def command() -> None:
    """Prepare a voice of somebody's own."""


@command.command("create")
@click.argument("name")
@click.argument("recordings", nargs=-1, type=_PATH)
@click.option(
    "-o",
    "--output",
    required=True,
    type=_PATH,
    help="Folder of the data set; an unfinished one is gone on with.",
)
@click.option(
    "--language",
    type=click.Choice(["zh", "en", "auto"]),
    default="auto",
    show_default=True,
    help="What is spoken.",
)
@click.option(
    "--record",
    "record_seconds",
    type=click.FloatRange(30, 1800),
    help="Record from the microphone for so many seconds.",
)
@click.option("--consent-by", default="", help="Full name of whose voice it is.")
@click.option("--consent-statement", default="", help="What they said when they agreed, in full.")
@click.option("--consent-scope", default="", help="What the voice may be used for.")
@click.option("--consent-date", type=_DAY, help="When they said so; today by default.")
@click.option("--consent-until", type=_DAY, help="Last day on which it holds; open by default.")
@click.option(
    "--recognizer", default="whisper", show_default=True, help="See `visavis stages` for others."
)
@click.option("--hint", default="", help="Names and terms that are likely to occur (whisper).")
@click.option("--replace", is_flag=True, help="Write over a data set of other recordings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_voice(
    name: str,
    recordings: tuple[Path, ...],
    output: Path,
    language: str,
    record_seconds: float | None,
    consent_by: str,
    consent_statement: str,
    consent_scope: str,
    consent_date: datetime | None,
    consent_until: datetime | None,
    recognizer: str,
    hint: str,
    replace: bool,
    as_json: bool,
) -> None:
    """Make of RECORDINGS, sound or video files, the data set that GPT-SoVITS fine-tunes a voice with.

    A minute of one person who speaks without music is enough. Noise is taken out, speech cut at its
    pauses and written down; what the recogniser is unsure of is left out. Read and correct the list
    before training. Stopped by Ctrl-C, it goes on when called again.
    """
    from visavis.apps.voice_data.creating import Agreed, Wanted, check_wanted, create
    from visavis.apps.voice_data.report import put_into_words

    if bool(recordings) == (record_seconds is not None):
        raise click.UsageError("name recordings, or give --record SECONDS; one of both")
    _check_consent(consent_by, consent_statement, consent_scope)
    agreed = Agreed(
        consent_by,
        consent_statement,
        consent_scope,
        consent_date.date() if consent_date else None,
        consent_until.date() if consent_until else None,
    )
    wanted = Wanted(
        name,
        output,
        agreed,
        None if language == "auto" else cast("Language", language),
        recognizer,
        hint,
        replace,
    )
    check_wanted(wanted)
    with _stoppable(), _bar(name) as told:
        if record_seconds is not None:
            recordings = (_record(output, record_seconds, told),)
        report = create(wanted, recordings, told)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        click.echo(put_into_words(report), nl=False)
        click.echo(f"written: {report['list']}")


def _check_consent(speaker: str, statement: str, scope: str) -> None:
    from visavis.core.errors import ConfigError

    given = {
        "--consent-by": speaker,
        "--consent-statement": statement,
        "--consent-scope": scope,
    }
    missing = [option for option, text in given.items() if not text.strip()]
    if missing:
        raise ConfigError(
            "a voice is made only with its speaker's consent: ask them, then give"
            f" {', '.join(missing)}"
        )


def _record(output: Path, seconds: float, told: Callable[[str, float], None]) -> Path:
    from visavis.apps.voice_data.microphone import record
    from visavis.core.errors import ConfigError
    from visavis.media.files import unwritable

    path = output / "recording.wav"
    if path.exists():
        raise ConfigError(f"there is {path} already; give it as a file, or name another folder")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    begun = False

    def recorded(done: float) -> None:
        nonlocal begun
        if not begun:
            click.echo(f"recording for {seconds:g} seconds: speak now", err=True)
            begun = True
        told(f"recording {done:.0f} of {seconds:.0f} s", 0.0)

    record(path, seconds, told=recorded)
    return path


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM clean up as Ctrl-C does."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task(title, total=1.0, text="")

        def told(text: str, share: float) -> None:
            progress.update(task, completed=share, text=text)

        yield told
