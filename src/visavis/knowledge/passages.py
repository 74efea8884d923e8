"""Finding what an answer may be written from: stretches of documents, and stored answers."""

from __future__ import annotations

import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Language
from visavis.knowledge.base import load_samples
from visavis.knowledge.evidence import Coverage
from visavis.knowledge.live import LiveKnowledge
from visavis.knowledge.text import clean_question, reduce_question
from visavis.knowledge.vectors import Encoder

ONE_ENCODER: Mapping[Language, tuple[float, float, float, float]] = {
    "zh": (7.36, 0, 2.79, -4.28),
    "en": (7.28, 0, 1.07, -3.74),
}
TWO_ENCODERS: Mapping[Language, tuple[float, float, float, float]] = {
    "zh": (6.14, 2.92, 3.94, -5.57),
    "en": (2.03, 6.34, 0.62, -3.97),
}
"""Weights and bias of the chance that a text holds the answer: cosine to the question by the encoder of all
languages and by that of its own, and the share of the question's words that it has.

Fitted to the tuning half of the sample questions and the answers of the sample base: the best text, right
or not. On the other half the right one comes first in 0.61 (zh) and 0.58 (en) of the questions in plain
words and in words of their own; by the first cosine alone in 0.52 and 0.40."""

_CANDIDATES = 12
"""Passages near by the first encoder, of which the best are told."""
_DOCUMENTS = 64
"""Whose passages are kept at hand."""
_VECTORS = 4_000
"""Passages whose vectors by the second encoder are kept at hand."""


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
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, str], Floats] = OrderedDict()
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
        asked = reduce_question(clean_question(question))
        near = store.nearest(
            encoder.fingerprint,
            encoder.encode([asked])[0],
            max(k, _CANDIDATES),
            bases=self._knowledge.only or None,
            language=language,
            kinds=("passage",),
        )
        found = []
        for one in near:
            title, texts = self._open(one.base, one.id)
            if one.number in texts:
                found.append((one.cosine, title, *texts[one.number]))
        second = self._knowledge.find_second(language)
        weights = (ONE_ENCODER if second is None else TWO_ENCODERS)[language]
        others = self._compare(second, asked, [text for _, _, text, _ in found])
        general = _learn_words(language)
        words = general.cut(asked)
        passages = []
        for (cosine, title, text, place), other in zip(found, others, strict=True):
            share = general.share(words, general.cut(f"{place} {text}"))
            logit = float(np.dot(weights, (cosine, other, share, 1.0)))
            passages.append(FoundPassage(text, title, place, 1 / (1 + math.exp(-logit))))
        return sorted(passages, key=lambda passage: -passage.score)[:k]

    def _compare(self, second: Encoder | None, question: str, texts: Sequence[str]) -> list[float]:
        """Return the cosines of a question to texts by the second encoder, 0 without one."""
        if second is None or not texts:
            return [0.0] * len(texts)
        name = second.fingerprint
        with self._lock:
            known = {
                text: self._vectors[name, text] for text in texts if (name, text) in self._vectors
            }
        lacking = list(dict.fromkeys(text for text in texts if text not in known))
        asked, *rows = second.encode([question, *lacking])
        known.update(zip(lacking, rows, strict=True))
        with self._lock:
            for text in texts:
                self._vectors[name, text] = known[text]
                self._vectors.move_to_end((name, text))
            while len(self._vectors) > _VECTORS:
                self._vectors.popitem(last=False)
        return [float(asked @ known[text]) for text in texts]

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


@functools.cache
def _learn_words(language: Language) -> Coverage:
    """Learn how rare words are from the samples: a document is too short to tell."""
    pairs = [pair for base in load_samples() for pair in base.pairs if pair.language == language]
    return Coverage(pairs, str, language)


def _tell_place(heading: str, place: str) -> str:
    """Join a passage's heading and its place, which may be the path of headings down to that one."""
    if heading and heading in place:
        return place
    return " · ".join(part for part in (heading, place) if part)
