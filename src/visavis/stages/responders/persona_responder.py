"""The responder `persona`: a base's answers, its documents and a language model, as a persona says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from visavis.core.errors import ConfigError
from visavis.core.types import Emotion, Language, Message
from visavis.knowledge.base import Base
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.passages import PassageSearch
from visavis.knowledge.search import KnowledgeIndex
from visavis.stages.responders.faq import Answer, FaqResponder
from visavis.stages.responders.grounded import GroundedResponder
from visavis.stages.responders.model_choice import open_model
from visavis.stages.responders.persona import check_length, list_personas, load_persona
from visavis.stages.responders.told import Tell
from visavis.stages.responders.tools import open_tools

VARIABLE = "VISAVIS_PERSONA"
THRESHOLD = 0.35
"""Score from which passages are put to a model, whose answer is then compared with them."""


class PersonaResponder:
    """Answers as VISAVIS_PERSONA says: stored answers first, then a model held to the bases' documents.

    Nothing is kept between calls: sessions may share one responder.
    """

    def __init__(
        self,
        *,
        persona: str = "",
        store: str = "",
        only: Sequence[str] = (),
        reranker: str = "",
    ) -> None:
        """Read the persona and open what it needs.

        Args:
            persona: Name of a shipped one or path of a TOML file; VISAVIS_PERSONA by default.
            store: See `FaqResponder`.
            only: Names of bases; those of the persona by default.
            reranker: See `FaqResponder`.

        Raises:
            ConfigError: No persona is named, it is wrong or too long, or its mode needs a model and none is
                set.
        """
        which = persona or os.environ.get(VARIABLE, "").strip()
        if not which:
            names = ", ".join(list_personas())
            raise ConfigError(f"set {VARIABLE} to a persona: {names}, or the path of a TOML file")
        self.persona = load_persona(which)
        check_length(self.persona, which)
        chosen = tuple(only) or self.persona.bases
        # The shipped personas name the sample bases, which are no bases of a store.
        samples = all(name.startswith("government_") for name in chosen)
        self._faq = FaqResponder(
            store=store, only=() if samples and not only else chosen, reranker=reranker
        )
        self._search = PassageSearch(self._faq.knowledge)
        free = self.persona.mode == "faq-only"
        self._grounded = GroundedResponder(
            self._search,
            _Yielding(self._faq, self._search),
            None if free else open_model(self.persona.model),
            persona=self.persona,
            threshold=THRESHOLD,
            tools=open_tools(self.persona.tools, self._search) if self.persona.tools else None,
        )

    @property
    def knowledge(self) -> LiveKnowledge:
        """The bases and their store."""
        return self._faq.knowledge

    @property
    def bases(self) -> tuple[Base, ...]:
        """The bases that it answers from."""
        return self._faq.bases

    def prepare(self) -> KnowledgeIndex:
        """Load the encoders and the vectors, once."""
        return self._faq.prepare()

    def reply(self, history: Sequence[Message], sources: Tell | None = None) -> AsyncIterator[str]:
        """Yield the answer, a checked sentence at a time; see `GroundedResponder.reply`."""
        return self._grounded.reply(history, sources)

    def emotion_of(self, sentence: str) -> Emotion | None:
        """Suggest how a sentence is said: as its pair says, else as the persona is."""
        own = self._faq.emotion_of(sentence)
        if own is None and self.persona.emotion != "neutral":
            return self.persona.emotion
        return own

    def foreseeable(self) -> Iterator[tuple[str, Language]]:
        """Yield the greeting and the stored answers; see `Foreseeing`."""
        yield from ((text, language) for language, text in self.persona.greeting.items())
        yield from self._faq.foreseeable()


class _Yielding:
    """Stored answers that do not ask back where a document is likelier to hold the answer."""

    def __init__(self, faq: FaqResponder, search: PassageSearch) -> None:
        self._faq = faq
        self._search = search
        self.prepare = faq.prepare
        self.foreseeable = faq.foreseeable
        self.emotion_of = faq.emotion_of

    @property
    def bases(self) -> tuple[Any, ...]:
        """The bases of the stored answers."""
        return self._faq.bases

    def answer(self, history: Sequence[Message]) -> Answer:
        """Answer the last message; see `FaqResponder.answer`."""
        found = self._faq.answer(history)
        if found.outcome in ("hint", "choice"):
            near = self._search.search_documents(history[-1].text, found.language, 1)
            if near and near[0].score >= max(THRESHOLD, found.confidence):
                return replace(found, outcome="refusal")
        return found
