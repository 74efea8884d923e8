"""hibari as a voice: English, at a hundredth of real time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from visavis.core.errors import LanguageUnsupported, UnknownVoice
from visavis.core.language import is_han
from visavis.core.types import Sentence, Speech, Voice
from visavis.models.common.utterance import Utterance, Whole
from visavis.models.hibari.predictor import SAMPLE_RATE, SAMPLES_PER_UNIT, Hibari
from visavis.stages.synthesizers.delivery import deliver
from visavis.stages.synthesizers.text.phonemes import phonemize
from visavis.stages.synthesizers.versions import describe_version

VOICE = "hibari_heart"

_shared: dict[tuple[Path | None, int, int], Hibari] = {}
_lock = threading.Lock()


class HibariSynthesizer:
    """hibari-tts: one fast American voice, English only.

    Args:
        assets: The folder of its network; by default the package's own.
        threads: Of one run.
        seed: Of the noise in the sound.

    The network is shared by all objects with the same arguments and loaded at the first sentence.
    """

    def __init__(self, assets: Path | None = None, threads: int = 1, seed: int = 0) -> None:
        key = (assets, threads, seed)
        with _lock:
            if key not in _shared:
                _shared[key] = Hibari(assets, threads, seed)
            self._hibari = _shared[key]

    def version(self) -> str:
        """Name the pinned weights and the code that speaks."""
        return describe_version(("hibari",), "hibari")

    def voices(self) -> Sequence[Voice]:
        """List the one voice."""
        return [Voice(VOICE, "hibari", ("en",), "female", SAMPLE_RATE)]

    def iterate(self, sentence: Sentence, voice: str) -> Iterator[Speech]:
        """Speak a sentence piece by piece, computing on the calling thread.

        Closing the iterator stops it. A voice name that is empty is the one voice.

        Raises:
            UnknownVoice: No such voice.
            TextUnusable: Nothing in the text can be said.
            LanguageUnsupported: There is Chinese in it, or it is mostly in another script.
        """
        if voice not in ("", VOICE):
            raise UnknownVoice(f"hibari has one voice, {VOICE!r}, and not {voice!r}")
        if any(map(is_han, sentence.text)):
            raise LanguageUnsupported(
                "hibari speaks English only, and there is Chinese in the text: take a voice of kokoro"
            )
        sounds = phonemize(sentence.text, "en")

        def render(phonemes: str, speed: float) -> Utterance:
            return Whole(*self._hibari.speak(phonemes, speed))

        yield from deliver(sentence, sounds, render, SAMPLE_RATE, SAMPLES_PER_UNIT)

    async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Like ``iterate``; lets the loop run between two pieces."""
        for speech in self.iterate(sentence, voice):
            yield speech
            await asyncio.sleep(0)
