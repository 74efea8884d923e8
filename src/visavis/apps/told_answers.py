"""A responder that remembers what its newest answer rests on, for whoever shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from visavis.core.protocols import Responder
from visavis.core.types import Emotion, Message
from visavis.stages.responders.grounded import GroundedResponder
from visavis.stages.responders.persona_responder import PersonaResponder
from visavis.stages.responders.told import Told


class RememberingResponder:
    """Answers as another responder does. For one dialogue.

    Args:
        inner: The responder; one that writes from documents tells what it cites.

    Attributes:
        told: What became of the newest question; None where ``inner`` does not tell.
    """

    def __init__(self, inner: Responder) -> None:
        self._inner = inner
        self.told: Told | None = None

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer as the inner responder does."""
        self.told = None
        if isinstance(self._inner, PersonaResponder | GroundedResponder):
            pieces = self._inner.reply(history, self._take)
        else:
            pieces = self._inner.reply(history)
        try:
            async for piece in pieces:
                yield piece
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    def emotion_of(self, text: str) -> Emotion | None:
        """Suggest how a sentence is said, where the inner responder can."""
        suggest = getattr(self._inner, "emotion_of", None)
        emotion: Emotion | None = suggest(text) if suggest is not None else None
        return emotion

    def _take(self, told: Told) -> None:
        self.told = told
