"""Kokoro as a voice: Chinese, English and both in one sentence."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from visavis.core.errors import UnknownVoice
from visavis.core.types import Language, Sentence, Speech, Voice
from visavis.models.common.utterance import Utterance
from visavis.models.kokoro.predictor import (
    SAMPLE_RATE,
    SAMPLES_PER_UNIT,
    Kokoro,
    gender_of,
    language_of,
)
from visavis.stages.synthesizers.delivery import deliver
from visavis.stages.synthesizers.text.phonemes import phonemize
from visavis.stages.synthesizers.versions import describe_version

DEFAULT_VOICES: dict[Language, tuple[str, str]] = {
    "zh": ("zf_xiaohe", "zm_yunjian"),
    "en": ("af_heart", "am_michael"),
}
"""A female and a male voice that are recognised well; figures in models/kokoro/README.md."""

_shared: dict[tuple[Path | None, Path | None, int], Kokoro] = {}
_lock = threading.Lock()


class KokoroSynthesizer:
    """Kokoro-82M: 9 Mandarin and 28 English voices, each of which speaks both languages.

    One of the Mandarin voices is a blend, the mean of three others.

    Args:
        model: The .onnx file; by default the asset ``kokoro-int8``.
        voices: The folder of style tables; by default the asset ``kokoro-voices``.
        threads: Of one run; by default one: windows are small, so a second gains an eighth where nothing
            else runs, and takes a core from recogniser and face where they do.

    The network is shared by all objects with the same arguments and loaded at the first sentence.
    """

    def __init__(
        self, model: Path | None = None, voices: Path | None = None, threads: int = 1
    ) -> None:
        key = (model, voices, threads)
        with _lock:
            if key not in _shared:
                _shared[key] = Kokoro(model, voices, threads)
            self._kokoro = _shared[key]
        everyone = (*self._kokoro.voices, *self._kokoro.blends)
        self._names = sorted(name for name in everyone if language_of(name))

    def version(self) -> str:
        """Name the pinned weights and the code that speaks; files given by path are not looked at."""
        return describe_version(("kokoro-int8", "kokoro-voices"), "kokoro")

    def voices(self) -> Sequence[Voice]:
        """List the voices; the language a voice was made for comes first."""
        first = [name for pair in DEFAULT_VOICES.values() for name in pair if name in self._names]
        rest = [name for name in self._names if name not in first]
        return [self._describe(name) for name in (*first, *rest)]

    def _describe(self, name: str) -> Voice:
        languages: tuple[Language, ...] = (
            ("zh", "en") if language_of(name) == "zh" else ("en", "zh")
        )
        return Voice(name, "kokoro", languages, gender_of(name), SAMPLE_RATE)

    def iterate(self, sentence: Sentence, voice: str) -> Iterator[Speech]:
        """Speak a sentence piece by piece, computing on the calling thread.

        Each step takes about 0.3 s of one core for each second of its sound. Closing the iterator
        stops it. A voice name that is empty is the default of the sentence's language.

        Raises:
            UnknownVoice: No such voice.
            TextUnusable: Nothing in the text can be said.
            LanguageUnsupported: The text is mostly in another script.
        """
        name = voice or DEFAULT_VOICES[sentence.language][0]
        if name not in self._names:
            raise UnknownVoice(
                f"kokoro has no voice {name!r}: `visavis voices` lists what there is"
            )
        sounds = phonemize(sentence.text, sentence.language)

        def render(phonemes: str, speed: float) -> Utterance:
            return self._kokoro.begin(phonemes, name, speed)

        yield from deliver(sentence, sounds, render, SAMPLE_RATE, SAMPLES_PER_UNIT)

    async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Like ``iterate``; lets the loop run between two pieces, and computes within them.

        A flow that must not stand still runs ``iterate`` on a thread.
        """
        for speech in self.iterate(sentence, voice):
            yield speech
            await asyncio.sleep(0)
