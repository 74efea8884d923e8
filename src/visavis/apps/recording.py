"""Records turns of a conversation as video files with subtitles, and takes down the timings."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from visavis.core.types import FPS, Segment, VideoFrame, Waveform, Word
from visavis.pipeline.events import Event, Latency, SpeechReady

if TYPE_CHECKING:
    from visavis.apps.settings import Settings
    from visavis.core.protocols import Recognizer
    from visavis.core.types import Language
    from visavis.media.video_writer import VideoWriter
    from visavis.pipeline.conversation import Conversation
    from visavis.pipeline.turn import Turn

T = TypeVar("T")

HEAD_SECONDS = 0.32
"""Of silence and a shut mouth before the first word."""
_QUIET_RATE = 24_000
TAIL_SECONDS = 0.4
"""Of silence and a closing mouth after the last word."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence in a video: when it is said, in seconds, and its words where they are known."""

    text: str
    language: Language
    start: float
    end: float
    words: tuple[Word, ...] = ()


@dataclass(slots=True)
class Notes:
    """An observer that writes down what a recording needs to know.

    Attributes:
        timings: Seconds by stage and mark.
        spoken: The sentences in order.
    """

    timings: dict[str, dict[str, float]] = field(default_factory=dict)
    spoken: list[Spoken] = field(default_factory=list)
    _position: float = 0.0

    def wait(self, seconds: float) -> None:
        """Take down that the video goes on for a while before the next word."""
        self._position += seconds

    def __call__(self, event: Event) -> None:
        """Take an event down."""
        if isinstance(event, Latency):
            self.timings.setdefault(event.stage, {})[event.mark] = event.seconds
        elif isinstance(event, SpeechReady):
            self._note_speech(event)

    def rounded(self) -> dict[str, dict[str, float]]:
        """Return the timings in whole milliseconds, for printing."""
        return {
            stage: {mark: round(seconds, 3) for mark, seconds in marks.items()}
            for stage, marks in self.timings.items()
        }

    def _note_speech(self, event: SpeechReady) -> None:
        speech, rate = event.speech, event.speech.audio.sample_rate
        if speech.audio.offset == 0:
            text, language = speech.sentence.text, speech.sentence.language
            self.spoken.append(Spoken(text, language, self._position, self._position))
        last = self.spoken[-1]
        words = tuple(
            Word(m.text, last.start + m.start / rate, last.start + m.end / rate)
            for m in speech.marks
            if m.kind == "word"
        )
        self._position += speech.audio.duration
        self.spoken[-1] = Spoken(
            last.text, last.language, last.start, self._position, last.words + words
        )


async def begin_quietly(conversation: Conversation, writer: VideoWriter, notes: Notes) -> None:
    """Write a moment of quiet, so that nobody's first frame is a mouth already open.

    To be called before the turn begins, while nothing else moves the face.
    """
    frames = round(HEAD_SECONDS * FPS)
    for number in range(frames):
        frame = await conversation.idle()
        writer.write(_quiet(0, frame, _QUIET_RATE, number))
    notes.wait(frames / FPS)


async def record(
    conversation: Conversation,
    turn: Turn,
    writer: VideoWriter,
    *,
    tail: float = TAIL_SECONDS,
    progress: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Write a turn into a video, with a moment of quiet at the end.

    Args:
        conversation: Whose turn it is.
        turn: The turn.
        writer: Of the video; the caller closes it.
        tail: Seconds of quiet.
        progress: Told the seconds written so far.

    Raises:
        Error: Why the turn failed.
    """
    rate = 0
    async for segment in conversation.play(turn):
        rate = segment.audio.sample_rate
        writer.write(segment)
        progress(writer.duration)
    if not rate:
        return
    for number in range(round(tail * FPS)):
        frame = await conversation.idle()
        writer.write(_quiet(turn.number, frame, rate, number))
    progress(writer.duration)


def _quiet(turn: int, frame: VideoFrame, rate: int, number: int) -> Segment:
    each = rate // FPS
    sound = Waveform(np.zeros(each, np.float32), rate, number * each)
    return Segment(turn, sound, (VideoFrame(frame.image, number),))


def open_writer(path: Path, settings: Settings, *, title: str = "") -> VideoWriter:
    """Open a video with the label that the settings ask for."""
    from visavis.core.language import detect_language
    from visavis.media.label import LABEL_TEXT, Label
    from visavis.media.video_writer import VideoWriter

    label = None
    if settings.label:
        language = detect_language(title, settings.language)
        label = Label(settings.label_text or LABEL_TEXT[language])
    # Metadata is one line; a title of a whole speech would be none.
    metadata = {"title": " ".join(title.split())[:120]} if title else {}
    return VideoWriter(path, label=label, metadata=metadata)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run async work as the whole of a command; Ctrl-C and SIGTERM cancel it and clean up.

    Raises:
        KeyboardInterrupt: It was stopped.
    """

    async def guarded() -> T:
        task = asyncio.current_task()
        if task is not None:
            with contextlib.suppress(NotImplementedError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def peak_memory() -> float:
    """Return the most memory that the program has held, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def show_progress(what: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show seconds made on stderr: a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda seconds: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.1f} s of video"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda seconds: bars.update(task, completed=seconds)


async def iterate_async(items: Iterator[T]) -> AsyncIterator[T]:
    """Read a plain iterator where an async one is wanted, letting the loop breathe."""
    for item in items:
        yield item
        await asyncio.sleep(0)


def save_subtitles(video: Path, spoken: Sequence[Spoken]) -> list[Path]:
    """Write .srt and .vtt beside a video.

    Raises:
        OutputUnwritable: They cannot be written.
    """
    from visavis.media.subtitles import make_cues, write_srt, write_vtt

    cues = [cue for s in spoken for cue in make_cues(s.text, s.start, s.end, s.words)]
    paths = [video.with_suffix(".srt"), video.with_suffix(".vtt")]
    write_srt(paths[0], cues)
    write_vtt(paths[1], cues)
    return paths


async def transcribe_cues(recognizer: Recognizer, audio: Path) -> list[Spoken]:
    """Recognise a recording, for its subtitles."""
    from visavis.core.language import detect_language
    from visavis.media.audio import iterate_audio

    sound = iterate_async(iterate_audio(audio, 16_000, 1.0))
    return [
        Spoken(
            heard.text,
            heard.language or detect_language(heard.text),
            heard.start,
            heard.end,
            heard.words,
        )
        async for heard in recognizer.transcribe(sound)
        if heard.is_final and heard.text.strip()
    ]
