"""`visavis transcribe`: what is said in a sound or video file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from visavis.core.types import Transcript, Waveform

_CHUNK_SECONDS = 0.5


@click.command("transcribe")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--recognizer", default="whisper", show_default=True, help="See `visavis stages` for others."
)
@click.option(
    "--language",
    type=click.Choice(["zh", "en", "auto"]),
    default="auto",
    show_default=True,
    help="What is spoken.",
)
@click.option("--hint", default="", help="Names and terms that are likely to occur (whisper).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with word times.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write to this .txt, .srt or .vtt file instead.",
)
def command(
    file: Path, recognizer: str, language: str, hint: str, as_json: bool, output: Path | None
) -> None:
    """Print what is said in FILE, a sound or video file of any length."""
    from visavis.core import registry

    _check_output(output)
    options: dict[str, Any] = {"language": language}
    if hint:
        options["hint"] = hint
    try:
        stage = registry.load("recognizers", recognizer)(**options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        from visavis.core.errors import ConfigError

        raise ConfigError(
            f"the recognizer {recognizer!r} does not take all of {', '.join(options)}; leave out"
            " --hint, or use --recognizer whisper"
        ) from error
    transcripts = asyncio.run(_listen(stage, file, show=output is None and not as_json))
    if output is not None:
        _write(output, transcripts)
        click.echo(f"wrote {output}")
    elif as_json:
        click.echo(json.dumps([_describe(t) for t in transcripts], ensure_ascii=False, indent=2))


async def _listen(stage: Any, file: Path, show: bool) -> list[Transcript]:
    """Recognise the file; print each turn as it is known, so that a long file shows its progress."""
    transcripts = []
    async for transcript in stage.transcribe(_read(file)):
        if transcript.is_final:
            transcripts.append(transcript)
            if show:
                click.echo(f"[{_stamp(transcript.start)}] {transcript.text}")
    return transcripts


async def _read(file: Path) -> AsyncIterator[Waveform]:
    from visavis.media.audio import iterate_audio

    for chunk in iterate_audio(file, 16000, _CHUNK_SECONDS):
        yield chunk


def _check_output(output: Path | None) -> None:
    """Refuse before minutes of work, not after."""
    if output is not None and output.suffix.lower() not in {".txt", ".srt", ".vtt"}:
        from visavis.core.errors import OutputUnwritable

        raise OutputUnwritable(f"{output} ends with none of .txt, .srt and .vtt; choose one")


def _write(output: Path, transcripts: list[Transcript]) -> None:
    from visavis.media.files import finish_or_discard
    from visavis.media.subtitles import make_cues, write_srt, write_vtt

    cues = [c for t in transcripts for c in make_cues(t.text, t.start, t.end, t.words)]
    if output.suffix.lower() == ".srt":
        write_srt(output, cues)
    elif output.suffix.lower() == ".vtt":
        write_vtt(output, cues)
    else:
        with finish_or_discard(output) as part:
            part.write_text("".join(f"{t.text}\n" for t in transcripts), "utf-8")


def _describe(transcript: Transcript) -> dict[str, object]:
    return {
        "text": transcript.text,
        "language": transcript.language,
        "start": round(transcript.start, 3),
        "end": round(transcript.end, 3),
        "words": [
            {"text": w.text, "start": round(w.start, 3), "end": round(w.end, 3)}
            for w in transcript.words
        ],
    }


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
