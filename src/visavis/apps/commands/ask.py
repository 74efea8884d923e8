"""`visavis ask`: a question in, a video of the answer out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from visavis.apps.options import cast_options, output_options

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast


@click.command("ask")
@click.argument("question", required=False)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="A recording of the question: any sound or video file.",
)
@cast_options
@output_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    question: str | None,
    audio: Path | None,
    cast: Cast,
    output: Path,
    subtitles: bool | None,
    as_json: bool,
) -> None:
    """Answer QUESTION, or a recorded one, with a video of a face that speaks.

    The answer comes from your knowledge bases (`visavis kb`), or from the shipped samples while these
    hold none, and with VISAVIS_PERSONA also from documents, by a language model. Where there is no
    answer, the face says so.
    """
    from visavis.apps.answering import answer
    from visavis.apps.assemble import check_output, clean_text
    from visavis.apps.printing import print_answer
    from visavis.apps.recording import run, show_progress

    if (question is None) == (audio is None):
        raise click.UsageError("give a QUESTION, or --audio with a recorded one")
    check_output(output, (".mp4",))
    if question is not None:
        question = clean_text(question, cast.settings.max_question, "question")
    with show_progress("answering") as progress:
        result = run(
            answer(
                cast, output, question, audio, subtitles=subtitles is not False, progress=progress
            )
        )
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print_answer(result)
