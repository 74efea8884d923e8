"""Finding what an answer may be written from: stretches of documents, and stored answers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from visavis.core.types import Language
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.text import clean_question, reduce_question

CHANCE: Mapping[Language, tuple[float, float]] = {"zh": (9.27, -4.58), "en": (5.7, -2.69)}
"""Slope and bias of the chance that a text holds the answer, by its cosine to the question.

Fitted to the tuning half of the sample questions and the answers of the sample base: the text with the
highest cosine, right or not."""

_DOCUMENTS = 64
"""Whose passages are kept at hand."""


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A text that may hold the answer.

    Attributes:
        text: What it says.
        source: Where it comes from: a title, a web address, or both with a space between.
        place: Where in the source: a page, a heading, the stored question; may be empty.
        score: Estimated chance that it holds the answer, 0..1.
    """

    text: str
    source: str
    place: str
    score: float


class PassageSearch:
    """Finds passages for a question among stored answers and documents. Safe to share between threads.

    Args:
        knowledge: The bases.
    """

    def __init__(self, knowledge: LiveKnowledge) -> None:
        self._knowledge = knowledge
        self._read: OrderedDict[tuple[int, str, str], tuple[str, dict[int, tuple[str, str]]]] = (
            OrderedDict()
        )

    def __call__(self, question: str, language: Language, k: int) -> list[FoundPassage]:
        """Find the best k passages, best first.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
        """
        index = self._knowledge.prepare()
        found = self.search_documents(question, language, k)
        if language in index.languages:
            found += [
                FoundPassage(
                    match.pair.answer, match.pair.source, match.pair.question, match.confidence
                )
                for match in index.search(question, language, k)
            ]
        return sorted(found, key=lambda passage: -passage.score)[:k]

    def search_documents(self, question: str, language: Language, k: int) -> list[FoundPassage]:
        """Find the best k passages of documents alone, best first."""
        store, encoder = self._knowledge.store, self._knowledge.encoder
        if store is None:
            return []
        vector = encoder.encode([reduce_question(clean_question(question))])[0]
        near = store.nearest(
            encoder.fingerprint,
            vector,
            k,
            bases=self._knowledge.only or None,
            language=language,
            kinds=("passage",),
        )
        slope, bias = CHANCE[language]
        passages = []
        for one in near:
            title, texts = self._open(one.base, one.id)
            if one.number in texts:
                text, place = texts[one.number]
                score = 1 / (1 + math.exp(-(slope * one.cosine + bias)))
                passages.append(FoundPassage(text, title, place, score))
        return passages

    def _open(self, base: str, document: str) -> tuple[str, dict[int, tuple[str, str]]]:
        """Return the source of a document, and its passages' texts and places by number."""
        store = self._knowledge.store
        assert store is not None
        key = (store.revision(), base, document)
        if key not in self._read:
            described = {one.id: one for one in store.documents(base)}
            if document not in described:  # deleted this moment
                return "", {}
            about = described[document]
            source = " ".join(part for part in (about.title, about.source) if part)
            self._read[key] = (
                source,
                {
                    one.number: (one.text, _tell_place(one.heading, one.place))
                    for one in store.passages(base, document)
                },
            )
            while len(self._read) > _DOCUMENTS:
                self._read.popitem(last=False)
        return self._read[key]


def _tell_place(heading: str, place: str) -> str:
    """Join a passage's heading and its place, which may be the path of headings down to that one."""
    if heading and heading in place:
        return place
    return " · ".join(part for part in (heading, place) if part)
