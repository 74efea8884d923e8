"""Sound in, Segments out: what all our faces do alike, whatever draws their pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from visavis.core.errors import StageError
from visavis.core.types import (
    FPS,
    Emotion,
    Floats,
    Mark,
    Picture,
    Segment,
    Sentence,
    Speech,
    VideoFrame,
    Waveform,
)
from visavis.stages.animators.expression import Expression

CHUNK_FRAMES = 5
"""Longest Segment: 200 ms."""
LOUDNESS_FRAMES = 6
"""Frames on each side of a frame whose sound counts for how loud the speech is there."""
_QUIET = Sentence(turn=0, index=0, text="", language="en")

Row = TypeVar("Row")
"""What a timeline says of one frame."""
RowOut = TypeVar("RowOut", covariant=True)
Look = TypeVar("Look")
"""All that the picture of one frame is drawn from."""


class Timeline(Protocol[RowOut]):
    """What the mouth does along one stream of sound, asked for in order."""

    @property
    def finished(self) -> bool:
        """Whether no more sound comes."""
        ...

    def changes(self, marks: Sequence[Mark]) -> bool:
        """Whether speech with these marks cannot go on in the stream so far."""
        ...

    def choose(self, marks: Sequence[Mark]) -> None:
        """Begin to take speech with such marks."""
        ...

    def add(self, audio: Waveform, marks: Sequence[Mark]) -> None:
        """Take the newest sound, and all phoneme marks of the stream that are still kept."""
        ...

    def finish(self) -> None:
        """No more sound comes."""
        ...

    def restart(self, frame: int) -> None:
        """Begin anew at a frame."""
        ...

    def ready(self) -> int:
        """One past the last frame that is known."""
        ...

    def take(self, start: int, count: int, rate: int) -> Iterable[RowOut]:
        """Say what the mouth does in the frames from ``start``; the sound has ``rate`` Hz."""
        ...

    def drop_before(self, frame: int) -> None:
        """Forget what lies before a frame."""
        ...


class SpeakingPerformance(ABC, Generic[Row, Look]):
    """Keeps sound, sentences and marks in step with the pictures.

    Args:
        expression: Of the face around the mouth.
        lookahead_frames: Sound held back, in frames.
    """

    def __init__(self, expression: Expression, lookahead_frames: int) -> None:
        self._expression = expression
        self._lookahead = lookahead_frames
        self._shown = 0  # frames shown since the performance was opened, talking or idle
        self._closed = False
        self._sparing = False
        self._forget()

    @abstractmethod
    def _make_timeline(self) -> Timeline[Row]:
        """Begin to follow a stream."""

    @abstractmethod
    def _speak(self, row: Row, loudness: float, sentence: Sentence) -> Look:
        """Go on by a frame of speech."""

    @abstractmethod
    def _rest(self) -> Look:
        """Go on by a frame between turns."""

    @abstractmethod
    def _draw(self, look: Look) -> Picture:
        """Draw picture number ``_shown``."""

    @abstractmethod
    def _free(self) -> None:
        """Free the pictures."""

    def _forget(self) -> None:
        self._timeline = self._make_timeline()
        self._rate = 0
        self._sound: Floats = np.zeros(0, np.float32)
        self._sound_start = 0  # frame of the first sample kept
        self._next = 0  # next frame to be shown, since the stream began
        self._sentences: list[tuple[int, Sentence]] = []  # first sample and sentence, in order
        self._marks: list[Mark] = []
        self._untold: deque[tuple[Sentence, Mark]] = deque()  # in no Segment yet
        self._sentence_start = 0

    @property
    def lookahead(self) -> float:
        """Seconds of sound held back."""
        return self._lookahead / FPS

    def feed(self, speech: Speech) -> Iterator[Segment]:
        """Take sound and yield what can be shown."""
        rate = speech.audio.sample_rate
        if rate % FPS:
            raise StageError(f"sound of {rate} Hz has no whole number of samples for each frame")
        # A pause in the middle of a sentence has no marks either: only a new one can bring sound
        # without marks after sound with them.
        begins = not self._sentences or not _same(self._sentences[-1][1], speech.sentence)
        changes = begins and self._timeline.changes(speech.marks)
        if self._rate and (rate != self._rate or changes):
            yield from self.flush()
        if rate != self._rate:
            self._begin_rate(rate)
        self._timeline.choose(speech.marks)
        end = self._sound_start * rate // FPS + len(self._sound)
        if not self._sentences or not _same(self._sentences[-1][1], speech.sentence):
            self._sentence_start = end - speech.audio.offset
            self._sentences.append((end, speech.sentence))
        for mark in speech.marks:
            moved = Mark(
                mark.kind,
                mark.text,
                mark.start + self._sentence_start,
                mark.end + self._sentence_start,
            )
            self._marks.append(moved)
            self._untold.append((speech.sentence, moved))
        self._sound = np.concatenate([self._sound, speech.audio.samples])
        self._timeline.add(speech.audio, [m for m in self._marks if m.kind == "phoneme"])
        ready = (self._sound_start * rate + len(self._sound) * FPS) // rate - self._lookahead
        yield from self._show(ready)

    def _begin_rate(self, rate: int) -> None:
        """Count samples anew at another rate; frames go on."""
        self._rate = rate
        self._sound = np.zeros(0, np.float32)
        self._sound_start = self._next
        self._sentences = []
        self._marks = []
        self._untold.clear()

    def flush(self) -> Iterator[Segment]:
        """Yield what was held back, padded with silence to whole frames."""
        if not self._rate:
            return
        each = self._rate // FPS
        short = -len(self._sound) % each
        self._sound = np.concatenate([self._sound, np.zeros(short, np.float32)])
        self._sentence_start += short  # its rest, if more of it comes, is heard so much later
        self._timeline.finish()
        end = self._sound_start + len(self._sound) // each
        yield from self._show(end)
        self._timeline.restart(end)

    def _show(self, until: int) -> Iterator[Segment]:
        """Show frames up to ``until``, in chunks."""
        until = min(until, self._timeline.ready()) if not self._timeline.finished else until
        each = self._rate // FPS
        while self._next < until:
            first_picture = self._shown
            count = self._count_frames(min(CHUNK_FRAMES, until - self._next))
            rows = self._timeline.take(self._next, count, self._rate)
            frames: list[VideoFrame] = []
            for i, row in enumerate(rows):
                frame = self._next + i
                sentence = self._sentence_at(frame * each + each // 2)
                look = self._speak(row, self._loudness(frame), sentence)
                image = frames[-1].image if self._sparing and i % 2 else self._draw(look)
                frames.append(VideoFrame(image, frame))
                self._shown += 1
            first = self._next * each - self._sound_start * each
            sound = self._sound[first : first + count * each]
            sentence = self._sentence_at(self._next * each + each // 2)
            begin, end = self._next * each, (self._next + count) * each
            marks = self._tell_marks(sentence, end)
            segment = Segment(
                sentence.turn,
                Waveform(sound.copy(), self._rate, begin),
                tuple(frames),
                sentence,
                marks,
                first_picture,
            )
            self._next += count
            self._drop_old()
            yield segment

    def _count_frames(self, most: int) -> int:
        """Frames from the next one on that are of one sentence."""
        each = self._rate // FPS
        first = self._sentence_at(self._next * each + each // 2)
        for count in range(1, most):
            frame = self._next + count
            if self._sentence_at(frame * each + each // 2) is not first:
                return count
        return most

    def _tell_marks(self, sentence: Sentence, end: int) -> tuple[Mark, ...]:
        """Marks up to a sample, less those of a sentence whose frames come later."""
        told: list[Mark] = []
        while self._untold and self._untold[0][1].start < end:
            owner, mark = self._untold[0]
            if owner.index > sentence.index and owner.turn == sentence.turn:
                break
            told.append(mark)
            self._untold.popleft()
        return tuple(told)

    def _drop_old(self) -> None:
        """Keep a bounded past: what the loudness and the coarticulation around a frame need."""
        each = self._rate // FPS
        keep_from = self._next - 2 * max(self._lookahead, LOUDNESS_FRAMES)
        if keep_from - self._sound_start > 50:
            self._sound = self._sound[(keep_from - self._sound_start) * each :].copy()
            self._sound_start = keep_from
            self._marks = [m for m in self._marks if m.end >= keep_from * each]
            while len(self._sentences) > 1 and self._sentences[1][0] <= keep_from * each:
                self._sentences.pop(0)
            self._timeline.drop_before(keep_from)

    def _sentence_at(self, sample: int) -> Sentence:
        found = self._sentences[0][1] if self._sentences else _QUIET
        for start, sentence in self._sentences:
            if start <= sample:
                found = sentence
        return found

    def _loudness(self, frame: int) -> float:
        """How loud the speech is around a frame: 0 at -45 dBFS and below, 1 at -18 and above."""
        each = self._rate // FPS
        low = max(0, (frame - LOUDNESS_FRAMES - self._sound_start) * each)
        part = self._sound[low : (frame + LOUDNESS_FRAMES + 1 - self._sound_start) * each]
        if len(part) == 0:
            return 0.0
        rms = float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))
        return float(np.clip((20 * np.log10(rms + 1e-9) + 45) / 27, 0, 1))

    def idle(self) -> VideoFrame:
        """Next frame between turns: mouth shut, alive."""
        frame = VideoFrame(self._draw(self._rest()), self._shown)
        self._shown += 1
        return frame

    def reset(self) -> None:
        """Forget all sound; the mouth closes from where it is, the head goes on."""
        self._forget()

    def rewind(self, picture: int) -> None:
        """Go on after a picture that was shown: those made after it never were."""
        if 0 <= picture < self._shown - 1:
            self._shown = picture + 1
            self._expression.rewind(picture)

    def spare(self, sparing: bool) -> None:
        """Begin or end showing every second picture of speech twice, the sound going on as ever."""
        self._sparing = sparing

    def attend(self, listening: bool) -> None:
        """Begin or end listening: the eyes stay on the listener, small nods come and go."""
        self._expression.listening = listening

    def feel(self, emotion: Emotion, intensity: float) -> None:
        """Show this emotion when no sentence says otherwise."""
        self._expression.feel(emotion, intensity)

    def close(self) -> None:
        """Free the pictures."""
        if not self._closed:
            self._closed = True
            self._forget()
            self._free()


def _same(a: Sentence, b: Sentence) -> bool:
    return a is b or (a.turn == b.turn and a.index == b.index)
