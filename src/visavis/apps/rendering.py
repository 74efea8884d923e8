"""A text, a recording or a driving video, rendered into a video of an avatar."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visavis.apps.answering import check_length
from visavis.apps.recording import (
    Notes,
    begin_quietly,
    open_writer,
    record,
    save_subtitles,
    transcribe_cues,
)
from visavis.core.errors import AudioSilent, ConfigError, FileUnreadable, NoAudioStream
from visavis.core.types import FPS, Segment, Sentence, Speech, VideoFrame, Waveform

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast

Progress = Callable[[float], None]

SPEECH_RATE = 24_000
CHUNK_SECONDS = 0.2


async def render_text(
    cast: Cast, text: str, output: Path, subtitles: bool, progress: Progress
) -> dict[str, Any]:
    """Let the avatar speak a text.

    Returns:
        ``video`` and ``subtitles`` as paths, ``seconds`` of the video, ``timings`` by stage.
    """
    notes = Notes()
    async with cast.open_conversation() as conversation:
        conversation.hub.subscribe(notes)
        with open_writer(output, cast.settings, title=text) as writer:
            await begin_quietly(conversation, writer, notes)
            turn = conversation.say(text)
            await record(conversation, turn, writer, progress=progress)
    files = save_subtitles(output, notes.spoken) if subtitles else []
    return _result(output, files, writer.duration, notes)


async def render_audio(
    cast: Cast, audio: Path, output: Path, subtitles: bool, progress: Progress
) -> dict[str, Any]:
    """Let the avatar mouth a recording, read and animated chunk by chunk.

    Raises:
        AudioTooLong: It is longer than the settings allow.
        AudioSilent: Nobody speaks in it.
    """
    limit = cast.settings.max_seconds
    check_length(audio, limit, "cut it into parts, or set VISAVIS_MAX_SECONDS")
    check_audible(audio)
    emotion = cast.emotion or cast.settings.emotion or "neutral"
    sentence = Sentence(0, 0, "", cast.settings.language, emotion, cast.strength)
    notes = Notes()
    async with cast.open_conversation(voice=False) as conversation:
        conversation.hub.subscribe(notes)
        with open_writer(output, cast.settings, title=audio.stem) as writer:
            turn = conversation.perform(_read_speech(audio, sentence))
            await record(conversation, turn, writer, tail=0, progress=progress)
    files = []
    if subtitles:
        files = save_subtitles(output, await transcribe_cues(cast.make_recognizer(), audio))
    return _result(output, files, writer.duration, notes)


async def render_drive(cast: Cast, drive: Path, output: Path, progress: Progress) -> dict[str, Any]:
    """Let the avatar follow the face in a video, and keep that video's sound.

    Raises:
        ConfigError: The animator cannot follow a face.
        NoFaceFound: There is none in most of the video.
    """
    from visavis.apps.driving import follow_face

    performance = cast.open_performance(cast.load_avatar())
    follow = getattr(performance, "drive", None)
    if follow is None:
        raise ConfigError(
            f"the animator {cast.settings.animator!r} cannot follow a video; use puppet"
        )
    try:
        track = follow_face(drive)
        with open_writer(output, cast.settings, title=drive.stem) as writer:
            sound = _read_sound_by_frame(drive)
            for segment in _pair(follow(track), sound):
                writer.write(segment)
                progress(writer.duration)
                await asyncio.sleep(0)  # lets a cancel through
    finally:
        performance.close()
    return _result(output, [], writer.duration, Notes())


def _result(output: Path, files: list[Path], seconds: float, notes: Notes) -> dict[str, Any]:
    return {
        "video": str(output),
        "subtitles": [str(path) for path in files],
        "seconds": round(seconds, 2),
        "timings": notes.rounded(),
    }


def read_text(path: Path) -> str:
    """Read what is to be said, from a file or from standard input.

    Raises:
        FileUnreadable: It cannot be read, or is not UTF-8.
    """
    from visavis.media.files import read_bytes

    data = sys.stdin.buffer.read() if str(path) == "-" else read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileUnreadable(f"{path} is not UTF-8 text; save it as UTF-8") from None


def check_audible(path: Path) -> None:
    """Read until something is heard.

    Raises:
        AudioSilent: Nothing is.
    """
    from visavis.media.audio import is_silent, iterate_audio

    seconds = 0.0
    for chunk in iterate_audio(path, 16_000, 5.0):
        if not is_silent(chunk):
            return
        seconds += chunk.duration
    raise AudioSilent(
        f"{path} is silent for all of its {seconds:.1f} s; give a recording of speech"
    )


def _read_speech(path: Path, sentence: Sentence) -> Iterator[Speech]:
    """Read a recording as the speech of one endless sentence, in chunks."""
    from visavis.media.audio import iterate_audio

    before: Waveform | None = None
    for chunk in iterate_audio(path, SPEECH_RATE, CHUNK_SECONDS):
        if before is not None:
            yield Speech(0, sentence, before, is_last=False)
        before = chunk
    if before is not None:
        yield Speech(0, sentence, before)


def _read_sound_by_frame(path: Path) -> Iterator[np.ndarray]:
    """Yield the sound of each frame of a video, and silence for ever after its end."""
    from visavis.media.audio import iterate_audio

    each = SPEECH_RATE // FPS
    try:
        for chunk in iterate_audio(path, SPEECH_RATE, 1 / FPS):
            yield np.pad(chunk.samples, (0, each - len(chunk.samples)))
    except NoAudioStream:
        pass
    while True:
        yield np.zeros(each, np.float32)


def _pair(frames: Iterator[VideoFrame], sound: Iterator[np.ndarray]) -> Iterator[Segment]:
    each = SPEECH_RATE // FPS
    for number, frame in enumerate(frames):
        waveform = Waveform(next(sound).astype(np.float32), SPEECH_RATE, number * each)
        yield Segment(0, waveform, (VideoFrame(frame.image, number),))
