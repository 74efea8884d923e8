"""One question, answered into a video file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.apps.recording import (
    Notes,
    begin_quietly,
    iterate_async,
    open_writer,
    record,
    save_subtitles,
)

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.core.types import Avatar

LONGEST_QUESTION = 60.0
"""Seconds of a recorded question; nobody asks longer, and a wrong file is much longer."""
HEARING_RATE = 16_000


async def answer(
    cast: Cast,
    output: Path,
    question: str | None,
    audio: Path | None = None,
    *,
    avatar: Avatar | None = None,
    subtitles: bool = True,
    progress: Callable[[float], None] = lambda seconds: None,
) -> dict[str, Any]:
    """Answer a written or a recorded question into a video.

    Returns:
        ``question`` and ``answer`` as texts, its ``outcome``, ``confidence`` and ``source`` where
        the responder tells them, ``video`` and ``subtitles`` as paths, ``seconds`` of
        the video, ``elapsed`` seconds of work, ``timings`` by stage.

    Raises:
        Error: Anything between the question and the file.
    """
    from visavis.media.audio import iterate_audio

    if audio is not None:
        check_length(audio, LONGEST_QUESTION, "cut the question out of it")
    loading = time.perf_counter()
    conversation = cast.open_conversation(
        avatar=avatar, responder=True, recognizer=audio is not None
    )
    notes = Notes()
    async with conversation:
        conversation.hub.subscribe(notes)
        with open_writer(output, cast.settings, title=question or "") as writer:
            await begin_quietly(conversation, writer, notes)
            began = time.perf_counter()
            if audio is not None:
                sound = iterate_audio(audio, HEARING_RATE, 0.5)
                turn = conversation.ask_audio(iterate_async(sound))
            else:
                turn = conversation.ask_text(question or "")
            await record(conversation, turn, writer, progress=progress)
        elapsed = time.perf_counter() - began
    files = save_subtitles(output, notes.spoken) if subtitles else []
    return {
        "question": turn.question,
        "answer": turn.answer.strip(),
        **_cite(cast, turn.question),
        "video": str(output),
        "subtitles": [str(path) for path in files],
        "seconds": round(writer.duration, 2),
        "loading": round(began - loading, 3),
        "elapsed": round(elapsed, 3),
        "timings": notes.rounded(),
    }


def _cite(cast: Cast, question: str) -> dict[str, Any]:
    """Ask a responder that can tell where its answer comes from."""
    from visavis.core.types import Message

    explain = getattr(cast.responder, "answer", None)
    if explain is None:
        return {}
    found = explain([Message("user", question)])
    return {
        "outcome": found.outcome,
        "confidence": round(found.confidence, 3),
        "source": found.source,
    }


def check_length(audio: Path, longest: float, advice: str) -> None:
    """Refuse a recording that is too long, by its headers, before anything is loaded.

    Raises:
        AudioTooLong: It is longer.
    """
    from visavis.core.errors import AudioTooLong
    from visavis.media.video import probe

    duration = probe(audio).audio_duration
    if duration > longest:
        raise AudioTooLong(
            f"{audio} is {duration:.0f} s long and the limit is {longest:.0f} s; {advice}"
        )
