"""The types that flow.

Pictures are RGB uint8 (H, W, 3); audio is float32 mono in [-1, 1]; coordinates are pixels and boxes
are xyxy. Positions are integers (samples, frame numbers), never summed-up float seconds: 25 fps
divides 16, 24 and 48 kHz.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FPS = 25
"""Frames a second of everything that visavis makes."""

Floats: TypeAlias = npt.NDArray[np.float32]
Picture: TypeAlias = npt.NDArray[np.uint8]
"""RGB uint8 (H, W, 3)."""

Language: TypeAlias = Literal["zh", "en"]
Emotion: TypeAlias = Literal[
    "angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised"
]
EMOTIONS: tuple[Emotion, ...] = (
    "angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A stretch of sound.

    Attributes:
        samples: float32 (n,) mono in [-1, 1].
        sample_rate: Hz.
        offset: Samples since the stream began, at this rate.
    """

    samples: Floats
    sample_rate: int
    offset: int = 0

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture of a stream. Its time is ``index / fps`` seconds."""

    image: Picture
    index: int
    fps: int = FPS


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """Where the face is in each of T frames.

    Attributes:
        boxes: float32 (T, 4) xyxy pixels.
        landmarks: float32 (T, K, 2) pixels, or (T, K, 3) with depth in pixels.
        scores: float32 (T,) in [0, 1]; 0 where no face was found and the row is interpolated.
        to_crop: float32 (T, 2, 3) affine map from picture to crop pixels.
        blendshapes: float32 (T, 52) ARKit units in [0, 1], or None.
        pose: float32 (T, 3) head rotation in degrees (yaw, pitch, roll), or None.
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats
    to_crop: Floats
    blendshapes: Floats | None = None
    pose: Floats | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is said, in seconds since the stream began."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard.

    Attributes:
        text: Simplified Chinese or English, punctuated where the recogniser can.
        is_final: False for a partial result that may still change.
        start: Seconds since the stream began.
        end: Seconds since the stream began.
        language: The language heard, where the recogniser knows.
        words: Word times, where the recogniser gives them.
    """

    text: str
    is_final: bool
    start: float
    end: float
    language: Language | None = None
    words: tuple[Word, ...] = ()


Respell: TypeAlias = Callable[[Transcript], Transcript]
"""Changes what was heard: a word for another one of the same sound."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the dialogue."""

    role: Literal["user", "assistant", "system"]
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of the answer that is spoken in one go.

    Attributes:
        turn: The turn it belongs to; whatever carries an older turn is dropped.
        index: Position in the answer, from 0.
        text: What is said.
        language: Main language of the text.
        emotion: How the face and, where it can, the voice say it.
        intensity: Of the emotion, 0..1.
        rate: Pace of the voice against its usual one, all in all; 1.0 leaves it to the voice, which is
            then as quick as the emotion makes it.
    """

    turn: int
    index: int
    text: str
    language: Language
    emotion: Emotion = "neutral"
    intensity: float = 0.5
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a sentence should be said.

    Attributes:
        emotion: Of face and voice; None for none.
        intensity: Of the emotion, 0..1; None for the usual one.
        rate: As `Sentence.rate`.
    """

    emotion: Emotion | None = None
    intensity: float | None = None
    rate: float = 1.0


class Said(str):
    """A piece of an answer that a model wrote, and how it is said; to whoever does not care it is text.

    A ``str``, because answers are text to all who pass them on. What is made of it is plain text again.

    Attributes:
        emotion: Of the sentences that begin in it; None where nothing tells.
    """

    __slots__ = ("emotion",)

    emotion: Emotion | None

    def __new__(cls, text: str, emotion: Emotion | None = None) -> Said:
        """Make it."""
        said = super().__new__(cls, text)
        said.emotion = emotion
        return said


@dataclass(frozen=True, slots=True)
class Mark:
    """A word or phoneme and the samples it covers, counted from the start of its Speech's sentence.

    Attributes:
        kind: ``phoneme`` texts are IPA as the voice's own G2P writes them; ``word`` texts are as
            written in the sentence.
        text: The word or phoneme.
        start: First sample.
        end: One past the last sample.
    """

    kind: Literal["word", "phoneme"]
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """Sound of (a part of) a sentence.

    ``audio.offset`` counts samples since the sentence began, as ``marks`` do.
    """

    turn: int
    sentence: Sentence
    audio: Waveform
    marks: tuple[Mark, ...] = ()
    is_last: bool = True
    """Whether this is the last Speech of its sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Sound and the frames that go with it: ``len(frames) == audio.duration * fps``, always.

    ``audio.offset`` counts samples since the performance was opened or reset, and
    ``frames[0].index == audio.offset * fps / sample_rate``.

    Attributes:
        sentence: What is said in it.
        marks: Words and phonemes that begin in it, in samples counted as ``audio.offset`` is.
        picture: Number of its first frame among all pictures that the performance made, those of
            ``idle()`` included, whose ``index`` counts the same; None where it does not count.
    """

    turn: int
    audio: Waveform
    frames: tuple[VideoFrame, ...]
    sentence: Sentence | None = None
    marks: tuple[Mark, ...] = ()
    picture: int | None = None

    def __post_init__(self) -> None:
        fps = self.frames[0].fps if self.frames else FPS
        assert len(self.frames) * self.audio.sample_rate == len(self.audio.samples) * fps, (
            f"{len(self.frames)} frames for {len(self.audio.samples)} samples"
            f" at {self.audio.sample_rate} Hz"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    """Somebody who can speak.

    Attributes:
        name: As the user calls it.
        frames: uint8 (T, H, W, 3) RGB: one frame for a portrait, many for a looped video.
        track: The face in each frame.
        mattes: uint8 (T, H, W) alpha, or None when the whole frame is foreground.
        voice: Name of the default voice, per language.
        info: Provenance, licence and the like; plain JSON values.
    """

    name: str
    frames: Picture
    track: FaceTrack
    mattes: npt.NDArray[np.uint8] | None = None
    voice: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_portrait(self) -> bool:
        """True for a single picture."""
        return len(self.frames) == 1


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that a synthesizer offers.

    Attributes:
        name: Unique within visavis, such as ``zf_xiaobei``.
        synthesizer: Name of its stage.
        languages: What it speaks.
        gender: As its maker labels it.
        sample_rate: Hz of what it speaks.
    """

    name: str
    synthesizer: str
    languages: Sequence[Language]
    gender: Literal["female", "male", "unknown"]
    sample_rate: int


__all__ = [
    "EMOTIONS",
    "FPS",
    "Avatar",
    "Delivery",
    "Emotion",
    "FaceTrack",
    "Floats",
    "Language",
    "Mark",
    "Message",
    "Picture",
    "Respell",
    "Said",
    "Segment",
    "Sentence",
    "Speech",
    "Transcript",
    "VideoFrame",
    "Voice",
    "Waveform",
    "Word",
    "replace",
]
