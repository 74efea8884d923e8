"""A responder that also tells where its answers come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from visavis.apps.server.protocol.events import Attachment, Source
from visavis.core.cancelling import CURRENT
from visavis.core.protocols import Responder
from visavis.core.types import Emotion, Message
from visavis.knowledge.base import Pair
from visavis.knowledge.text import split_sentences
from visavis.stages.responders.grounded import GroundedResponder
from visavis.stages.responders.persona_responder import PersonaResponder
from visavis.stages.responders.told import Told


class CitingResponder:
    """Answers as another responder does, and hands over its sources where it can tell them.

    Args:
        inner: With or without a method ``answer(history)`` such as that of ``FaqResponder``.
        tell: Called on the responder's thread with the question and the fields of an
            ``answer.sources`` event.
    """

    def __init__(self, inner: Responder, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._inner = inner
        self._told = tell

    def _tell(self, question: str, fields: dict[str, Any]) -> None:
        cancellation = CURRENT.get()
        # A search that was given up may come back while the same question is answered again.
        if cancellation is None or not cancellation.is_cancelled:
            self._told(question, fields)

    async def reply(self, history: Sequence[Message]) -> AsyncIterator[str]:
        """Yield the answer as the inner responder does."""
        answer = getattr(self._inner, "answer", None)
        if isinstance(self._inner, PersonaResponder | GroundedResponder):
            question = history[-1].text if history else ""
            pieces = self._inner.reply(
                history, lambda told: self._tell(question, describe_told(told))
            )
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    yield piece
            return
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
        sources = (_cite(found.source, pair),)
    offered = found.candidates if found.outcome != "answer" else found.candidates[1:]
    return {
        "outcome": found.outcome,
        "confidence": min(max(float(found.confidence), 0.0), 1.0),
        "sources": sources,
        "candidates": tuple(match.pair.question for match in offered),
    }


def describe_told(told: Told) -> dict[str, Any]:
    """Map what a grounded answer rests on to the fields of an ``answer.sources`` event."""
    if told.stored is not None:
        return {**describe_answer(told.stored), "outcome": told.outcome}
    return {
        "outcome": told.outcome,
        "confidence": min(max(float(told.confidence), 0.0), 1.0),
        "sources": tuple(
            Source(title=one.title, url=one.url, question=one.place, attachments=())
            for one in told.citations
        ),
        "candidates": (),
    }


def _cite(source: str, pair: Pair) -> Source:
    """Split a source as it is written in a base: a title, an address, or both."""
    words = source.split()
    url = next((word for word in words if word.startswith(("https://", "http://"))), "")
    title = " ".join(word for word in words if word != url) or url or pair.question
    attachments = tuple(
        Attachment(kind=one.kind, value=one.value, label=one.label) for one in pair.attachments
    )
    return Source(title=title, url=url, question=pair.question, attachments=attachments)
