"""Voices that need not speak what lies on the shelf."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from visavis.apps.speech_shelf import name_sentence

if TYPE_CHECKING:
    from visavis.apps.assemble import VoiceRouter
    from visavis.apps.speech_shelf import SpeechShelf
    from visavis.core.types import Sentence, Speech, Voice


class ShelvedVoices:
    """Speaks as the router does; sentences of the shelf come from there.

    Args:
        router: All voices.
        shelf: Where spoken sentences lie.
        keeping: Whether what is spoken goes there too.
    """

    def __init__(self, router: VoiceRouter, shelf: SpeechShelf, *, keeping: bool) -> None:
        self._router = router
        self._shelf = shelf
        self._keeping = keeping

    def voices(self) -> Sequence[Voice]:
        """List the voices of all stages."""
        return self._router.voices()

    async def speak(self, sentence: Sentence, voice: str) -> AsyncIterator[Speech]:
        """Yield the sentence's sound in the voice asked for.

        The file is read on the calling thread, in a few milliseconds; it is written on another.

        Raises:
            UnknownVoice: No stage has it.
        """
        known = self._router.recall(sentence, voice)
        if not known:
            name = name_sentence(sentence, voice, self._router.identify(voice))
            known = self._shelf.recall(name, sentence)
        if known:
            for speech in known:
                yield speech
            return
        spoken: list[Speech] = []
        speeches = self._router.speak(sentence, voice)
        try:
            async for speech in speeches:
                spoken.append(speech)
                yield speech
        finally:
            close = getattr(speeches, "aclose", None)
            if close is not None:
                await close()
        if self._keeping:
            self._shelf.keep_soon(name, spoken)
