"""`visavis render`: text, sound or somebody's video in, a video of an avatar out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from visavis.apps.options import cast_options, output_options

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast


@click.command("render")
@click.option("--text", help="What is said.")
@click.option(
    "--text-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A UTF-8 file of what is said; - reads standard input.",
)
@click.option("--audio", type=click.Path(path_type=Path), help="Speech that the avatar mouths.")
@click.option(
    "--drive",
    type=click.Path(path_type=Path),
    help="A video of somebody whose face the avatar follows; its sound is kept.",
)
@cast_options
@output_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    text: str | None,
    text_file: Path | None,
    audio: Path | None,
    drive: Path | None,
    cast: Cast,
    output: Path,
    subtitles: bool | None,
    as_json: bool,
) -> None:
    """Make a video in which an avatar speaks a text or a recording, or follows a video.

    Text gets subtitles beside the video unless --no-subtitles; a recording gets them only with
    --subtitles, as it must be recognised for that.
    """
    from visavis.apps import rendering
    from visavis.apps.assemble import check_output, clean_text
    from visavis.apps.printing import print_files
    from visavis.apps.recording import peak_memory, run, show_progress

    if sum(source is not None for source in (text, text_file, audio, drive)) != 1:
        raise click.UsageError("give one of --text, --text-file, --audio and --drive")
    check_output(output, (".mp4",))
    began = time.perf_counter()
    with show_progress("rendering") as progress:
        if audio is not None:
            job = rendering.render_audio(cast, audio, output, bool(subtitles), progress)
        elif drive is not None:
            if subtitles:
                raise click.UsageError("--drive has no subtitles: nobody knows the words")
            job = rendering.render_drive(cast, drive, output, progress)
        else:
            words = rendering.read_text(text_file) if text_file is not None else text or ""
            words = clean_text(words, cast.settings.max_characters)
            job = rendering.render_text(cast, words, output, subtitles is not False, progress)
        result = run(job)
    result["elapsed"] = round(time.perf_counter() - began, 3)
    result["peak_memory_mb"] = round(peak_memory())
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
        return
    print_files(result)
    speed = result["seconds"] / result["elapsed"]
    click.echo(f"time      {result['elapsed']:.1f} s, {speed:.1f} seconds of video a second")
