"""A responder whose answers are said to fit the mood of whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from visavis.core.language import detect_language
from visavis.core.protocols import Responder
from visavis.core.types import Emotion, Message
from visavis.stages.mood.answer_manner import AnswerManner, respond_to
from visavis.stages.mood.mood import Mood
from visavis.stages.mood.reader import MoodReader

_READ = 600
"""Characters of a question that tell its mood."""


class AttunedResponder:
    """Answers as another responder does, and lends its sentences the manner that the asker's mood asks for.

    An emotion that the answer has of itself goes first. One for each session: a mood is somebody's.

    Args:
        inner: With or without a method ``emotion_of(sentence)``.
        reader: Keeps the mood through the session.
    """

    def __init__(self, inner: Responder, reader: MoodReader) -> None:
        self._inner = inner
        self._reader = reader
        self.mood = Mood()
        self.manner = AnswerManner()

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer as the inner responder does, after reading the mood of the question."""
        if history and history[-1].role == "user":
            text = history[-1].text[:_READ]
            self.mood = self._reader.read(text, detect_language(text))
            self.manner = respond_to(self.mood)
        pieces: Any = self._inner.reply(history)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def emotion_of(self, text: str) -> Emotion | None:
        """Suggest how a sentence is said: as the answer has it, else as the mood asks for."""
        suggest = getattr(self._inner, "emotion_of", None)
        own: Emotion | None = suggest(text) if suggest is not None else None
        if own is not None:
            return own
        return None if self.manner.emotion == "neutral" else self.manner.emotion
