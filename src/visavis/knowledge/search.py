"""Finding the pair that a question means: sentence vectors, spelling, and how sure that is.

Shapes: n wordings of all pairs and languages, m items (pairs that share an id across languages),
p pairs of the language searched, d = 512.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visavis.core.errors import LanguageUnsupported
from visavis.core.types import Floats, Language
from visavis.knowledge.base import Base, Pair, find_languages
from visavis.knowledge.lexical import LexicalIndex
from visavis.knowledge.text import clean_question, reduce_question
from visavis.knowledge.vectors import Encoder, encode_cached

logger = logging.getLogger(__name__)

_AMBIGUOUS = 3
"""Pairs that must share a term for it to be no question by itself."""

_SHRINKAGE = 1.0
"""Weight of the identity against the scatter between wordings, in units of its mean variance."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much each similarity counts, and what a score means.

    Attributes:
        centroid: Weight of the cosine to the mean of a pair's wordings, in both languages.
        nearest: Weight of the cosine to the nearest wording in the language asked.
        answer: Weight of the cosine to the answer.
        lexical: Weight of shared spelling and sound.
        slope: Of the confidence, per unit of score.
        margin: Of the confidence, per unit of lead over the next best pair.
        bias: Of the confidence.
        threshold: Confidence from which a match is an answer.
        hint: Confidence from which a match that is no answer is worth naming.
    """

    centroid: float
    nearest: float
    answer: float
    lexical: float
    slope: float
    margin: float
    bias: float
    threshold: float
    hint: float = 0.25

    def judge(self, score: float, lead: float) -> float:
        """Return the confidence of a match, given its lead over the best of the others."""
        logit = self.slope * score + self.margin * lead + self.bias
        return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))


DEFAULT_FUSION: Mapping[Language, Fusion] = {
    "zh": Fusion(1.0, 0.5, 0.1, 0.8, slope=3.652, margin=9.289, bias=-3.847, threshold=0.63),
    "en": Fusion(1.0, 0.1, 0.0, 0.3, slope=5.906, margin=9.277, bias=-3.896, threshold=0.66),
}
"""Fitted by `evaluate.calibrate` to the tuning half of the sample questions, without the gaps."""


@dataclass(frozen=True, slots=True)
class Match:
    """A pair that may be meant.

    Attributes:
        pair: With an answer, in the language asked.
        score: Fused similarity; only its order means something.
        confidence: Estimated chance that this pair is meant, 0..1.
    """

    pair: Pair
    score: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """How near a question is to each of p pairs, before fusion. Each float32 (p,)."""

    centroid: Floats
    nearest: Floats
    answer: Floats
    lexical: Floats

    def take(self, chosen: npt.NDArray[np.bool_]) -> Similarities:
        """Keep the pairs of a mask (p,)."""
        return Similarities(
            self.centroid[chosen], self.nearest[chosen], self.answer[chosen], self.lexical[chosen]
        )

    def fuse(self, fusion: Fusion) -> Floats:
        """Return the fused scores, float32 (p,)."""
        total: Floats = (
            fusion.centroid * self.centroid
            + fusion.nearest * self.nearest
            + fusion.answer * self.answer
            + fusion.lexical * self.lexical
        ).astype(np.float32)
        return total


class KnowledgeIndex:
    """Bases, searchable. Immutable after it is made, so that all sessions may share one."""

    def __init__(
        self,
        bases: Sequence[Base],
        encoder: Encoder,
        *,
        fusion: Mapping[Language, Fusion] | None = None,
        cache: Path | None = None,
    ) -> None:
        """Encode what is not in the cache yet.

        Args:
            bases: Pairs with the same id in several languages stand for the same question.
            encoder: Makes the vectors.
            fusion: Weights and thresholds, by language; the measured ones by default.
            cache: Folder of cached vectors; the user's own by default.
        """
        self.fusion: Mapping[Language, Fusion] = {**DEFAULT_FUSION, **(fusion or {})}
        self.languages = find_languages(bases)
        self._encoder = encoder
        pairs = [pair for base in bases for pair in base.pairs]
        texts = [text for pair in pairs for text in pair.wordings]
        answers = [pair.answer or pair.question for pair in pairs]
        vectors = encode_cached(
            encoder, [reduce_question(clean_question(t)) for t in texts] + answers, cache
        )
        wordings, answer_vectors = vectors[: len(texts)], vectors[len(texts) :]

        items = {name: i for i, name in enumerate(dict.fromkeys(p.id for p in pairs))}
        item_of_pair = np.array([items[p.id] for p in pairs], np.int64)
        lengths = np.array([len(p.wordings) for p in pairs], np.int64)
        item_of_wording = np.repeat(item_of_pair, lengths)

        self._whitening = whiten_wordings(wordings, item_of_wording)
        wordings = _unit(wordings @ self._whitening)
        centroids = np.zeros((len(items), wordings.shape[1]), np.float32)
        np.add.at(centroids, item_of_wording, wordings)
        centroids = _unit(centroids)
        answer_vectors = _unit(answer_vectors @ self._whitening)

        starts = np.concatenate([[0], np.cumsum(lengths)])
        self._shelves = {
            language: _Shelf(
                [pairs[i] for i in chosen],
                centroids[item_of_pair[chosen]],
                np.concatenate([wordings[starts[i] : starts[i + 1]] for i in chosen]),
                np.concatenate([[0], np.cumsum(lengths[chosen])[:-1]]),
                answer_vectors[chosen],
                language,
            )
            for language in self.languages
            if (chosen := [i for i, p in enumerate(pairs) if p.language == language])
        }

    def search(self, question: str, language: Language, k: int = 3) -> list[Match]:
        """Find the k pairs that a question most likely means, best first.

        Known gaps are never returned, but they lower the confidence of what is.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
        """
        shelf, fusion = self._shelf(language), self.fusion[language]
        scores = self.compare(question, language).fuse(fusion)
        order = np.argsort(-scores, kind="stable")
        best, second = order[0], order[1] if len(order) > 1 else None
        matches: list[Match] = []
        for number in order:
            if len(matches) >= k:
                break
            pair = shelf.pairs[number]
            if pair.is_gap:
                continue
            rival = second if number == best else best
            lead = float(scores[number] - scores[rival]) if rival is not None else 0.0
            score = float(scores[number])
            matches.append(Match(pair, score, fusion.judge(score, lead)))
        return matches

    def compare(self, question: str, language: Language) -> Similarities:
        """Return the similarities of a question to each pair of a language, gaps too.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
        """
        shelf = self._shelf(language)
        text = reduce_question(clean_question(question))
        vector = _unit(self._encoder.encode([text]) @ self._whitening)[0]
        return shelf.compare(text, vector)

    def is_ambiguous(self, question: str, language: Language) -> bool:
        """Whether a question says no more than what several pairs have in common.

        True for a bare term, such as "passport", that is part of the wordings of three pairs or more
        and is no whole wording of any.
        """
        shelf = self._shelf(language)
        plain = _pack(reduce_question(clean_question(question)))
        if any(plain == wording for wordings in shelf.packed for wording in wordings):
            return False
        sharing = (any(plain in wording for wording in wordings) for wordings in shelf.packed)
        return sum(sharing) >= _AMBIGUOUS

    def pairs(self, language: Language) -> tuple[Pair, ...]:
        """Return the pairs of a language in the order of `compare`, gaps too."""
        return tuple(self._shelf(language).pairs)

    def _shelf(self, language: Language) -> _Shelf:
        if language not in self._shelves:
            raise LanguageUnsupported(
                f"the knowledge base has no answers in {language!r}; it has some in"
                f" {', '.join(self.languages)}"
            )
        return self._shelves[language]


class _Shelf:
    """The pairs of one language with their vectors."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        centroids: Floats,
        wordings: Floats,
        starts: npt.NDArray[np.int64],
        answers: Floats,
        language: Language,
    ) -> None:
        self.pairs = pairs
        self.packed = [
            [_pack(reduce_question(wording)) for wording in pair.wordings]
            for pair in pairs
            if not pair.is_gap
        ]
        self._centroids = centroids
        self._wordings = wordings
        self._starts = starts
        self._answers = answers
        self._lexical = LexicalIndex(
            [" ".join((*pair.wordings, pair.answer)) for pair in pairs], language
        )

    def compare(self, text: str, vector: Floats) -> Similarities:
        return Similarities(
            centroid=self._centroids @ vector,
            nearest=np.maximum.reduceat(self._wordings @ vector, self._starts),
            answer=self._answers @ vector,
            lexical=self._lexical.score(text),
        )


def whiten_wordings(vectors: Floats, items: npt.NDArray[np.int64]) -> Floats:
    """Find the map under which wordings of one question come closer than those of different ones.

    Directions in which the wordings of one question differ (courtesy, "how do I", the language) are
    shrunk: within-class covariance normalisation (Hatch, Kajarekar and Stolcke, Interspeech 2006),
    regularised with the identity, so that few or single wordings leave the space as it was.

    Args:
        vectors: float32 (n, d) wordings.
        items: (n,) the question that each one asks.

    Returns:
        float32 (d, d), to be multiplied from the right.
    """
    size = vectors.shape[1]
    count = int(items.max()) + 1 if len(items) else 0
    sums = np.zeros((count, size))
    np.add.at(sums, items, vectors)
    members = np.bincount(items, minlength=count)
    spread = vectors - (sums / np.maximum(members, 1)[:, None])[items]
    freedom = len(vectors) - int((members > 0).sum())
    if freedom <= 0:
        return np.eye(size, dtype=np.float32)
    covariance = spread.T @ spread / freedom
    variance = float(np.trace(covariance)) / size
    if variance <= 0:
        return np.eye(size, dtype=np.float32)
    covariance += _SHRINKAGE * variance * np.eye(size)
    whitening: Floats = np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32)
    return whitening


def _pack(text: str) -> str:
    """Keep letters and digits, so that spacing and punctuation do not count."""
    return "".join(c for c in text.lower() if c.isalnum())


def _unit(vectors: Floats) -> Floats:
    rows: Floats = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    ).astype(np.float32)
    return rows
