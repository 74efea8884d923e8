"""A responder that also tells where its answers come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from visavis.apps.server.protocol.events import Source
from visavis.core.protocols import Responder
from visavis.core.types import Emotion, Message
from visavis.knowledge.text import split_sentences


class CitingResponder:
    """Answers as another responder does, and hands over its sources where it can tell them.

    Args:
        inner: With or without a method ``answer(history)`` such as that of ``FaqResponder``.
        tell: Called on the responder's thread with the question and the fields of an
            ``answer.sources`` event.
    """

    def __init__(self, inner: Responder, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._inner = inner
        self._tell = tell

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer as the inner responder does."""
        answer = getattr(self._inner, "answer", None)
        if answer is None:
            async for piece in self._inner.reply(history):
                yield piece
            return
        found = answer(history)
        self._tell(history[-1].text, describe_answer(found))
        for sentence in split_sentences(found.text):
            yield sentence

    def emotion_of(self, text: str) -> Emotion | None:
        """Suggest how a sentence is said, where the inner responder can."""
        suggest = getattr(self._inner, "emotion_of", None)
        emotion: Emotion | None = suggest(text) if suggest is not None else None
        return emotion


def describe_answer(found: Any) -> dict[str, Any]:
    """Map a ``FaqResponder``'s answer to the fields of an ``answer.sources`` event."""
    sources: tuple[Source, ...] = ()
    if found.match is not None:
        pair = found.match.pair
        sources = (_cite(found.source, pair.question),)
    offered = found.candidates if found.outcome != "answer" else found.candidates[1:]
    return {
        "outcome": found.outcome,
        "confidence": min(max(float(found.confidence), 0.0), 1.0),
        "sources": sources,
        "candidates": tuple(match.pair.question for match in offered),
    }


def _cite(source: str, question: str) -> Source:
    """Split a source as it is written in a base: a title, an address, or both."""
    words = source.split()
    url = next((word for word in words if word.startswith(("https://", "http://"))), "")
    title = " ".join(word for word in words if word != url) or url or question
    return Source(title=title, url=url, question=question)
