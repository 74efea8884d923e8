"""A responder whose answers fit the mood of whoever asks: their wording, their sound and the face."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from visavis.core.language import detect_language
from visavis.core.protocols import Responder
from visavis.core.types import Delivery, Emotion, Language, Message, Said, Waveform
from visavis.stages.mood.answer_manner import AnswerManner, respond_to
from visavis.stages.mood.answer_marking import AnswerMarker
from visavis.stages.mood.mood import Mood
from visavis.stages.mood.reader import MoodReader

_READ = 600
"""Characters of a question that tell its mood."""


class AttunedResponder:
    """Answers as another responder does, in the manner that the asker's mood asks for.

    The mood is read from the question's words and, where it was spoken, from its sound. A language model
    is told of it in a system message at the front of the dialogue; stored answers stay as they are. How
    their sentences are said follows it too, but an emotion that the answer has of itself goes first. One
    for each session: a mood is somebody's.

    Args:
        inner: With or without a method ``emotion_of(sentence)``.
        reader: Keeps the mood through the session.
        marker: Tells the emotion of what a model wrote without a mark; None to let nobody tell it.
        usual: What ``inner`` suggests for whatever has no emotion of its own, such as a persona's smile:
            it gives way to a mood.
    """

    def __init__(
        self,
        inner: Responder,
        reader: MoodReader,
        marker: AnswerMarker | None = None,
        usual: Emotion = "neutral",
    ) -> None:
        self._inner = inner
        self._reader = reader
        self._marker = marker
        self._usual = usual
        self._sound: Waveform | None = None
        self.mood = Mood()
        self.manner = AnswerManner()

    def hear(self, sound: Waveform) -> None:
        """Take the sound of the question that ``reply`` is called with next; see `Overhearing`."""
        self._sound = sound

    def forget(self) -> None:
        """Forget the person: what follows is somebody else's."""
        self._reader.reset()
        self._sound = None
        self.mood, self.manner = Mood(), AnswerManner()

    def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer as the inner responder does, after reading the mood of the question."""
        # Taken here and not when the answer begins: a turn that is broken off must not leave it behind.
        sound, self._sound = self._sound, None
        return self._answer(history, sound)

    async def _answer(
        self, history: Sequence[Message], sound: Waveform | None
    ) -> AsyncIterator[str]:
        language: Language = "zh"
        if history and history[-1].role == "user":
            text = history[-1].text[:_READ]
            language = detect_language(text)
            self.mood = self._reader.read(text, language, sound)
            self.manner = respond_to(self.mood)
            asked = self.manner.prompt_zh if language == "zh" else self.manner.prompt_en
            if asked:
                history = [Message("system", asked), *history]
        del sound
        pieces: Any = self._inner.reply(history)
        before: str = "\n"
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, Said):
                    piece = self._mark(piece, before, language)
                before = piece or before
                yield piece

    def _mark(self, piece: Said, before: str, language: Language) -> Said:
        """Tell the emotion of what a model wrote without a mark; what goes on within a line keeps it."""
        if piece.emotion is not None or self._marker is None:
            return piece
        if not before.endswith("\n"):
            return Said(piece, getattr(before, "emotion", None))
        return Said(piece, self._marker.mark_sentence(piece.strip(), language))

    def emotion_of(self, text: str) -> Emotion | None:
        """Suggest how a sentence is said: as the answer has it, else as the mood asks for."""
        return self.delivery_of(text).emotion

    def delivery_of(self, sentence: str, own: Emotion | None = None) -> Delivery:
        """Tell how a sentence is said; see `Expressive`."""
        manner = self.manner
        suggest = getattr(self._inner, "emotion_of", None)
        if own is None and suggest is not None:
            own = suggest(sentence)
            if own == self._usual and self.mood.emotion != "neutral":
                own = None
        if own is not None:
            return Delivery(own, None, manner.rate)
        if manner.emotion == "neutral":
            return Delivery(None, None, manner.rate)
        return Delivery(manner.emotion, manner.intensity, manner.rate)
