"""A small, exact stand-in for every protocol, for tests and measurements without model files.

They are not registered as stages. All are deterministic: the same input and seed give the same
output. ``delay`` makes each step take that many seconds, as a slow machine would.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from visavis.core.errors import AudioSilent, PictureUnusable, StageError, TextUnusable, UnknownVoice
from visavis.core.types import (
    FPS,
    Avatar,
    FaceTrack,
    Floats,
    Language,
    Mark,
    Message,
    Picture,
    Segment,
    Sentence,
    Speech,
    Transcript,
    VideoFrame,
    Voice,
    Waveform,
    Word,
)

SAMPLE_RATE = 24_000
SECONDS_PER_CHARACTER = 0.06
_WORDS = re.compile(r"[A-Za-z0-9']+|[\u3400-\u9fff]")


def make_avatar(name: str = "fake", size: int = 32, frames: int = 1, seed: int = 0) -> Avatar:
    """Make an avatar of noise pictures with a square face in the middle."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    box = np.array([size / 4, size / 4, size * 3 / 4, size * 3 / 4], np.float32)
    affine = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    track = FaceTrack(
        boxes=np.tile(box, (frames, 1)),
        landmarks=np.tile(box.reshape(2, 2), (frames, 1, 1)),
        scores=np.ones(frames, np.float32),
        to_crop=np.tile(affine, (frames, 1, 1)),
    )
    return Avatar(name, pictures, track)


class ToneSynthesizer:
    """Speaks sine tones: one per word, with word and phoneme marks that are exact.

    Args:
        delay: Seconds per Speech.
        seconds_per_character: Speed.
        fail_on: A sentence with this text in it raises a retryable StageError.
    """

    def __init__(
        self,
        delay: float = 0.0,
        seconds_per_character: float = SECONDS_PER_CHARACTER,
        fail_on: str | None = None,
    ) -> None:
        self._delay = delay
        self._per_character = round(seconds_per_character * SAMPLE_RATE)
        self._fail_on = fail_on

    def voices(self) -> Sequence[Voice]:
        """List a low and a high tone."""
        both: tuple[Language, ...] = ("zh", "en")
        return [
            Voice("tone_low", "tone", both, "male", SAMPLE_RATE),
            Voice("tone_high", "tone", both, "female", SAMPLE_RATE),
        ]

    async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Yield the sentence's sound, one Speech for each word.

        Raises:
            UnknownVoice: Not one of ``voices()``.
            TextUnusable: No word in the sentence.
            StageError: The sentence holds ``fail_on``.
        """
        pitch = {"tone_low": 120.0, "tone_high": 240.0}.get(voice)
        if pitch is None:
            raise UnknownVoice(f"there is no voice {voice!r}; there are tone_low and tone_high")
        words = _WORDS.findall(sentence.text)
        if not words:
            raise TextUnusable(f"nothing in {sentence.text!r} can be spoken")
        if self._fail_on is not None and self._fail_on in sentence.text:
            raise StageError(f"the tone broke at {self._fail_on!r}", retryable=True)
        start = 0
        for number, word in enumerate(words):
            if self._delay:
                await asyncio.sleep(self._delay)
            length = self._per_character * len(word)
            marks = (
                Mark("word", word, start, start + length),
                Mark("phoneme", "a", start, start + length),
            )
            sound = Waveform(_tone(pitch * (1 + number % 3), length), SAMPLE_RATE, start)
            yield Speech(sentence.turn, sentence, sound, marks, number == len(words) - 1)
            start += length


def _tone(pitch: float, length: int) -> Floats:
    times = np.arange(length) / SAMPLE_RATE
    fade = np.minimum(1.0, np.minimum(np.arange(length), np.arange(length)[::-1]) / 120)
    return (0.5 * fade * np.sin(2 * np.pi * pitch * times)).astype(np.float32)


class PaintingAnimator:
    """Paints the loudness of each frame's sound into a bar on the avatar's picture.

    Args:
        delay: Seconds per Segment.
        lookahead_frames: Frames that a performance holds back.
        seed: Of the idle motion.
    """

    def __init__(self, delay: float = 0.0, lookahead_frames: int = 2, seed: int = 0) -> None:
        self._delay = delay
        self._lookahead = lookahead_frames
        self._seed = seed

    def open(self, avatar: Avatar) -> PaintingPerformance:
        """Begin a performance.

        Raises:
            PictureUnusable: The avatar has no frame.
        """
        if len(avatar.frames) == 0:
            raise PictureUnusable(f"the avatar {avatar.name!r} has no picture; create it again")
        return PaintingPerformance(avatar, self._delay, self._lookahead, self._seed)


class PaintingPerformance:
    """One avatar with a bar for a mouth: as high as the sound is loud, gone in silence."""

    chunk_frames = 5

    def __init__(self, avatar: Avatar, delay: float, lookahead_frames: int, seed: int) -> None:
        self._avatar = avatar
        self._delay = delay
        self._lookahead = lookahead_frames
        self._seed = seed
        self._shown = 0  # frames since the performance was opened: the picture goes on over resets
        self._last: Speech | None = None
        self._held: Floats = np.zeros(0, np.float32)
        self._rate = SAMPLE_RATE
        self._index = 0

    @property
    def lookahead(self) -> float:
        """Seconds held back."""
        return self._lookahead / FPS

    def feed(self, speech: Speech) -> Iterator[Segment]:
        """Take sound and yield what can be shown."""
        if len(self._held) and speech.audio.sample_rate != self._rate:
            raise StageError(
                f"the sound changed from {self._rate} to {speech.audio.sample_rate} Hz"
            )
        self._rate = speech.audio.sample_rate
        self._last = speech
        self._held = np.concatenate([self._held, speech.audio.samples])
        ready = len(self._held) // (self._rate // FPS) - self._lookahead
        yield from self._show(ready)

    def flush(self) -> Iterator[Segment]:
        """Yield what was held back, padded with silence to whole frames."""
        per_frame = self._rate // FPS
        frames = -(-len(self._held) // per_frame)
        padding = np.zeros(frames * per_frame - len(self._held), np.float32)
        self._held = np.concatenate([self._held, padding])
        yield from self._show(frames)

    def idle(self) -> VideoFrame:
        """Next frame with the bar gone."""
        return self._paint(0.0)

    def reset(self) -> None:
        """Forget the sound that is held."""
        self._held = np.zeros(0, np.float32)
        self._last = None
        self._index = 0

    def close(self) -> None:
        """Nothing is held open."""
        self.reset()

    def _show(self, frames: int) -> Iterator[Segment]:
        per_frame = self._rate // FPS
        while frames > 0 and self._last is not None:
            count = min(frames, self.chunk_frames)
            sound = self._held[: count * per_frame]
            self._held = self._held[count * per_frame :]
            if self._delay:
                time.sleep(self._delay)
            levels = np.abs(sound.reshape(count, per_frame)).mean(axis=1)
            first = self._index
            painted = [self._paint(float(level)) for level in levels]
            offset = first * per_frame
            frames -= count
            self._index += count
            yield Segment(
                self._last.turn,
                Waveform(sound, self._rate, offset),
                tuple(VideoFrame(f.image, first + i) for i, f in enumerate(painted)),
                self._last.sentence,
            )

    def _paint(self, level: float) -> VideoFrame:
        source = self._avatar.frames[(self._shown + self._seed) % len(self._avatar.frames)]
        image: Picture = source.copy()
        height = round(level * image.shape[0])
        if height:
            middle = image.shape[1] // 2
            image[-height:, middle - 2 : middle + 2] = (255, 0, 0)
        self._shown += 1
        return VideoFrame(image, self._shown - 1)


class ScriptedRecognizer:
    """Hears a fixed text, word by word, in any sound that is not silent."""

    def __init__(self, text: str, language: Language = "zh", delay: float = 0.0) -> None:
        self._text = text
        self._language: Language = language
        self._delay = delay

    async def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncIterator[Transcript]:
        """Yield a partial result for each waveform and the final one at the end.

        Raises:
            AudioSilent: Nothing louder than -60 dB.
        """
        seconds, loudest, words = 0.0, 0.0, _WORDS.findall(self._text)
        async for waveform in audio:
            if self._delay:
                await asyncio.sleep(self._delay)
            seconds += waveform.duration
            loudest = max(loudest, float(np.abs(waveform.samples).max(initial=0.0)))
            if loudest > 1e-3:
                part = " ".join(words[: int(seconds / 0.2)])
                yield Transcript(part, False, 0.0, seconds, self._language)
        if loudest <= 1e-3:
            raise AudioSilent("there is no speech in the sound; check the microphone")
        step = seconds / max(len(words), 1)
        timed = tuple(Word(word, i * step, (i + 1) * step) for i, word in enumerate(words))
        yield Transcript(self._text, True, 0.0, seconds, self._language, timed)


class EchoResponder:
    """Answers with a fixed text, or with what was asked, a few characters at a time."""

    def __init__(
        self, answer: str | None = None, piece: int = 4, delay: float = 0.0, fail: bool = False
    ) -> None:
        self._answer = answer
        self._piece = piece
        self._delay = delay
        self._fail = fail

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer in pieces.

        Raises:
            StageError: It was told to fail.
        """
        if not history or history[-1].role != "user":
            raise StageError("the last message is not the user's")
        text = history[-1].text if self._answer is None else self._answer
        for start in range(0, len(text), self._piece):
            if self._delay:
                await asyncio.sleep(self._delay)
            if self._fail and start:
                raise StageError("the responder was told to fail")
            yield text[start : start + self._piece]


class NearestEnhancer:
    """Doubles the size of faces by repeating pixels."""

    def enhance(self, faces: Picture) -> Picture:
        """Map (B, H, W, 3) to (B, 2 H, 2 W, 3)."""
        return faces.repeat(2, axis=1).repeat(2, axis=2)


class FullMatting:
    """Everything is foreground; the state counts the frames."""

    def matte(self, image: Picture, state: Any) -> tuple[npt.NDArray[np.uint8], Any]:
        """Return an alpha of 255 and the number of frames seen."""
        return np.full(image.shape[:2], 255, np.uint8), (state or 0) + 1
