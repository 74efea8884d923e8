"""The models that listen to a microphone: Silero for speech, Vosk for the words so far."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from visavis.core.types import Floats, Language, Transcript, Waveform

if TYPE_CHECKING:
    from visavis.apps.assemble import Cast
    from visavis.core.protocols import Recognizer

Understand: TypeAlias = Callable[[Waveform], Awaitable[Transcript | None]]


class ModelEars:
    """Silero and Vosk for one microphone. All calls come from one thread, which also makes it.

    Args:
        language: What is spoken; ``auto`` lets Vosk decide for each turn.
        guess: The language whose words are shown until that is decided.
    """

    def __init__(self, language: Language | Literal["auto"], guess: Language) -> None:
        from visavis.models.silero.predictor import SileroVad
        from visavis.stages.recognizers.vosk import WordFollower

        self._vad = SileroVad()
        self._words = WordFollower(language, guess)

    @property
    def language(self) -> Language | None:
        """What is being heard."""
        return self._words.language

    def settle(self, language: Language) -> None:
        """Say in which language the last turn was."""
        self._words.settle(language)

    def speech_probability(self, chunk: Floats) -> float:
        """Tell how likely somebody speaks in the next 512 samples, 0..1."""
        return self._vad.speech_probability(chunk)

    def begin(self) -> None:
        """A new turn begins."""
        self._words.begin()

    def follow(self, samples: Floats) -> str:
        """Take the turn's next samples and give the words so far."""
        return self._words.follow(samples)


async def understand(recognizer: Recognizer, turn: Waveform) -> Transcript | None:
    """Understand one turn of speech, in the recogniser's fast way where it has one."""
    quick: Any = getattr(recognizer, "understand", None)
    if quick is not None:
        found: Transcript | None = quick(turn)
        return found

    async def sound() -> AsyncIterator[Waveform]:
        yield turn

    texts: list[Transcript] = [t async for t in recognizer.transcribe(sound()) if t.is_final]
    if not texts:
        return None
    joined = " ".join(t.text for t in texts) if texts[0].language == "en" else ""
    text = joined or "".join(t.text for t in texts)
    return Transcript(text, True, texts[0].start, texts[-1].end, texts[0].language)


def warm_ears(cast: Cast) -> None:
    """Load the models of ``ModelEars`` and the recogniser's fast way, on the calling thread."""
    quick: Any = getattr(cast.recognizer, "understand", None)
    if quick is None:
        return  # another recogniser than those shipped: its own affair
    ears = ModelEars("auto", cast.settings.language)
    ears.speech_probability(np.zeros(512, np.float32))
    ears.follow(np.zeros(16_000, np.float32))
    quick(Waveform(np.zeros(16_000, np.float32), 16_000))
    cast.respell(Transcript("您好", True, 0.0, 1.0, "zh"))
