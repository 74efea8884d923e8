"""`visavis speak`: text in, sound out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from visavis.core.errors import TextUnusable

if TYPE_CHECKING:
    from visavis.core.types import Emotion, Language

_EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")


@click.command("speak")
@click.argument("text", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("speech.wav"),
    show_default=True,
    help="The sound file, 16-bit WAV.",
)
@click.option("--voice", default="", help="One of `visavis voices`; by default by the language.")
@click.option(
    "--language",
    type=click.Choice(["auto", "zh", "en"]),
    default="auto",
    show_default=True,
    help="How figures are read in sentences of figures only, and which voice is the default.",
)
@click.option("--emotion", type=click.Choice(_EMOTIONS), default="neutral", show_default=True)
@click.option("--intensity", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--srt", is_flag=True, help="Write subtitles beside the sound file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    text: str | None,
    output: Path,
    voice: str,
    language: str,
    emotion: str,
    intensity: float,
    srt: bool,
    as_json: bool,
) -> None:
    """Speak TEXT, or standard input when TEXT is missing or `-`, into a sound file."""
    from visavis.apps.assemble import DEFAULT_VOICES, VoiceRouter, check_output, clean_text
    from visavis.apps.recording import run, show_progress
    from visavis.apps.settings import load_settings
    from visavis.apps.speaking import speak_to_file
    from visavis.core.language import detect_language

    if text is None and sys.stdin.isatty():
        raise click.UsageError("give a TEXT, or send one to the standard input")
    if text is None or text == "-":
        try:
            text = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TextUnusable("the standard input is not UTF-8 text; convert it first") from error
    check_output(output, (".wav",))
    text = clean_text(text, load_settings().max_characters)
    main = detect_language(text) if language == "auto" else cast("Language", language)
    with show_progress("speaking") as progress:
        result = run(
            speak_to_file(
                VoiceRouter(),
                text,
                output,
                voice=voice or DEFAULT_VOICES[main],
                language=main,
                emotion=cast("Emotion", emotion),
                intensity=intensity,
                subtitles=srt,
                progress=progress,
            )
        )
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        click.echo(f"{', '.join(result['files'])}: {result['seconds']:.1f} s, {result['voice']}")
