"""The protocols that stages implement, each in a few lines.

Async for what waits on others, plain iterators for what computes. Closing an iterator early is how
work is cancelled: a stage must stop and free what it holds when its iterator is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from visavis.core.types import (
    Avatar,
    Delivery,
    Emotion,
    Language,
    Message,
    Picture,
    Segment,
    Sentence,
    Speech,
    Transcript,
    VideoFrame,
    Voice,
    Waveform,
)


@runtime_checkable
class Recognizer(Protocol):
    """Speech to text."""

    def transcribe(self, audio: AsyncIterator[Waveform]) -> AsyncIterator[Transcript]:
        """Yield partial and final transcripts; the last one is final. Raises AudioSilent."""
        ...


@runtime_checkable
class Responder(Protocol):
    """Question to answer."""

    def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer's text as it comes, with citations. The last message is the user's."""
        ...


@runtime_checkable
class Synthesizer(Protocol):
    """Text to speech."""

    def voices(self) -> Sequence[Voice]:
        """List what it can speak with."""
        ...

    def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Yield the sentence's sound in order; the last one has ``is_last``."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A responder that can tell beforehand what it may be going to say. Optional."""

    def foreseeable(self) -> Iterable[tuple[str, Language]]:
        """Yield whole answers as ``reply`` would give them, with their language, likeliest first."""
        ...


@runtime_checkable
class Overhearing(Protocol):
    """A responder that makes something of how a question sounds. Optional."""

    def hear(self, sound: Waveform) -> None:
        """Take the end of a question's sound, just before the ``reply`` to it and on its thread.

        It is for that one reply: nothing of it may be kept after the turn.
        """
        ...


@runtime_checkable
class Expressive(Protocol):
    """A responder that tells how the sentences of its newest answer are said. Optional."""

    def delivery_of(self, sentence: str, own: Emotion | None = None) -> Delivery:
        """Tell how a sentence is said; ``own`` is the emotion that it surely has."""
        ...


@runtime_checkable
class Versioned(Protocol):
    """A synthesizer that tells what its sound depends on besides the sentence. Optional."""

    def version(self) -> str:
        """Name weights and ways of speaking; it changes whenever a sentence may sound different."""
        ...


@runtime_checkable
class Performance(Protocol):
    """One avatar speaking in one session. Not thread-safe; calls come from one executor thread."""

    @property
    def lookahead(self) -> float:
        """Seconds of sound that it holds back before a frame can be made."""
        ...

    def feed(self, speech: Speech) -> Iterator[Segment]:
        """Take sound and yield what can be shown, in chunks of at most 200 ms."""
        ...

    def flush(self) -> Iterator[Segment]:
        """Yield what was held back, padded with silence to whole frames."""
        ...

    def idle(self) -> VideoFrame:
        """Next frame of the state between turns: mouth shut, alive."""
        ...

    def reset(self) -> None:
        """Forget all sound that was fed (barge-in); the picture goes on without a jump."""
        ...

    def close(self) -> None:
        """Free what this session holds. Safe to call twice."""
        ...


@runtime_checkable
class Rewindable(Protocol):
    """A performance that can take back pictures that were made ahead and never shown. Optional."""

    def rewind(self, picture: int) -> None:
        """Go on from this picture, as it was; called after ``reset``. Numbers as `Segment.picture`."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A performance that shows whether it listens, and what it feels between turns. Optional."""

    def attend(self, listening: bool) -> None:
        """Begin or end listening to somebody, from the next picture on."""
        ...

    def feel(self, emotion: Emotion, intensity: float) -> None:
        """Show this emotion when no sentence says otherwise, coming on smoothly."""
        ...


@runtime_checkable
class Thrifty(Protocol):
    """A performance that can make do with fewer pictures on a machine that cannot keep up. Optional."""

    def spare(self, sparing: bool) -> None:
        """Begin or end showing every second picture of speech twice, the sound going on as ever."""
        ...


@runtime_checkable
class Animator(Protocol):
    """Speech to frames of an avatar. Weights are shared by all sessions."""

    def open(self, avatar: Avatar) -> Performance:
        """Begin a performance."""
        ...


@runtime_checkable
class Enhancer(Protocol):
    """Better faces."""

    def enhance(self, faces: Picture) -> Picture:
        """Map (B, H, W, 3) to (B, H', W', 3), RGB uint8."""
        ...


@runtime_checkable
class Matting(Protocol):
    """Foreground from background."""

    def matte(self, image: Picture, state: Any) -> tuple[npt.NDArray[np.uint8], Any]:
        """Return the alpha (H, W) uint8 of one frame and the state for the next."""
        ...
