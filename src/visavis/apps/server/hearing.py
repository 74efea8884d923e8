"""What is said in an uploaded recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from visavis.apps.answering import check_length
from visavis.core.types import Language, Transcript
from visavis.pipeline.bridge import Worker

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

HEARING_RATE = 16_000
_CHUNK_SECONDS = 0.5


async def transcribe_file(
    cast: Cast,
    path: Path,
    *,
    longest: float,
    language: Language | Literal["auto"] = "auto",
    hint: str = "",
) -> AsyncIterator[Transcript]:
    """Yield the final transcripts of a sound or video file, computing on a thread of its own.

    Raises:
        AudioTooLong: It is longer than ``longest`` seconds.
        AudioSilent: Nobody speaks in it.
        InputError: It is no sound.
    """
    from visavis.apps.recording import iterate_async
    from visavis.media.audio import iterate_audio

    worker = Worker("transcribing")
    try:
        await worker.call(lambda: check_length(path, longest, "send a shorter one"))
        recognizer = await worker.call(lambda: cast.make_recognizer(language, hint))
        heard = worker.iterate(
            lambda: recognizer.transcribe(
                iterate_async(iterate_audio(path, HEARING_RATE, _CHUNK_SECONDS))
            )
        )
        try:
            async for transcript in heard:
                if transcript.is_final and transcript.text.strip():
                    yield transcript
        finally:
            await heard.aclose()
    finally:
        await worker.close()


def join_texts(transcripts: list[Transcript]) -> str:
    """Join what was heard in several turns: with a space between Latin letters, without in Chinese."""
    joined = ""
    for transcript in transcripts:
        text = transcript.text.strip()
        space = joined and (joined[-1].isascii() or text[:1].isascii())
        joined += (" " if space else "") + text
    return joined
