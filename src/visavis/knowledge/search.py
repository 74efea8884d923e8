"""Finding the pair that a question means: sentence vectors, spelling, and how sure that is.

Shapes: p pairs of the language searched, d length of a vector.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeAlias

import numpy as np

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.core.types import Floats, Language
from visavis.knowledge.array_file import ENDING, collect_arrays, keep_arrays
from visavis.knowledge.base import Base, Pair, find_languages
from visavis.knowledge.calibration import LEARNABLE, default_fusion, learn_confidence
from visavis.knowledge.evidence import Coverage, Evidence
from visavis.knowledge.fusion import Fusion, Similarities
from visavis.knowledge.postings import Integers
from visavis.knowledge.shelf import EXACT, Shelf, Space, pack
from visavis.knowledge.shelf_arrays import Encode, Stock, make_arrays, take_shelf
from visavis.knowledge.spelling import Spelling
from visavis.knowledge.synonyms import Synonyms
from visavis.knowledge.text import clean_question, reduce_question
from visavis.knowledge.vectors import Encoder, cache_folder, encode_cached
from visavis.knowledge.whitening import unit, whiten_wordings

logger = logging.getLogger(__name__)

FindNear: TypeAlias = Callable[[Encoder, Floats, Language, int], Sequence[tuple[str, str]]]
"""Finds (base, id) of pairs near a vector (d,), at most so many."""

_AMBIGUOUS = 3
"""Pairs that must share a term for it to be no question by itself."""
_TERM = 12
"""Letters of the longest such term."""
_EXACT_CONFIDENCE = 0.99
"""Of a pair that is asked for in its own words."""
_FIRST = 1_000.0
_NEAR = 60
_SAME = 0.75
"""Cosine from which a question of elsewhere is one of the base's own."""
_LANGUAGE_ENDING = re.compile(r"[-_.](?:zh|en)$")


@dataclass(frozen=True, slots=True)
class Match:
    """A pair that may be meant.

    Attributes:
        pair: With an answer, in the language asked.
        score: Fused similarity; only its order means something.
        confidence: Estimated chance that this pair is meant, 0..1.
        base: Name of the base that it is of.
    """

    pair: Pair
    score: float
    confidence: float
    base: str = ""


class KnowledgeIndex:
    """Bases, searchable. Immutable after it is made, so that all sessions may share one."""

    def __init__(
        self,
        bases: Sequence[Base],
        encoder: Encoder,
        *,
        second: Mapping[Language, Encoder] | None = None,
        fusion: Mapping[Language, Fusion] | None = None,
        encode: Encode | None = None,
        near: FindNear | None = None,
        background: Sequence[Base] = (),
        cache: Path | None = None,
    ) -> None:
        """Encode what is not known yet, and learn from the bases how sure a match is.

        Args:
            bases: Pairs with the same id in several languages stand for the same question, where
                they are of one base or of bases whose names differ by ``_zh`` and ``_en`` alone.
            encoder: Makes the vectors.
            second: A further encoder for some of the languages; of many pairs it is not asked.
            fusion: Weights and thresholds, by language; learnt by default.
            encode: Encodes the bases' texts; with files in ``cache`` by default.
            near: Finds what is near where pairs are many; all vectors are compared by default.
            background: Questions that people ask elsewhere. They stand beside a small base as known
                gaps, so that it is not sure of what merely comes nearest.
            cache: Folder of cached vectors; the user's own by default.
        """
        encode = encode or (lambda model, texts: encode_cached(model, texts, cache))
        self.languages = find_languages(bases)
        bases = [*bases, *_make_gaps(bases, background, encoder, encode)]
        self._near = near
        self._synonyms = Synonyms(group for base in bases for group in base.synonyms)
        self._spelling = Spelling(text for base in bases for text in base.texts("en"))
        homes = [base.name for base in bases for _ in base.pairs]
        pairs = [pair for base in bases for pair in base.pairs]
        items: dict[tuple[str, str], int] = {}
        item_of_pair = [
            items.setdefault((_LANGUAGE_ENDING.sub("", home), pair.id), len(items))
            for home, pair in zip(homes, pairs, strict=True)
        ]
        stock = Stock(
            pairs, np.array(item_of_pair, np.int64), self.languages, EXACT, self._prepare_stored
        )
        if stock.is_large:
            key = stock.find_key(encoder, (group for base in bases for group in base.synonyms))
            path = (cache or cache_folder()) / f"index-{key}{ENDING}"
            arrays = keep_arrays(path, lambda: make_arrays(stock, encoder, encode))
        else:
            arrays = collect_arrays(make_arrays(stock, encoder, encode))

        self._shelves: dict[Language, Shelf] = {}
        self._homes: dict[Language, list[str]] = {}
        for language in self.languages:
            chosen = stock.choose(language)
            own, parts = [pairs[i] for i in chosen], take_shelf(arrays, language)
            first = Space(
                encoder,
                arrays["whitening"],
                parts.get("sums", parts["wordings"]),
                parts["wordings"],
                parts["told"],
            )
            other = (second or {}).get(language) if len(chosen) <= EXACT else None
            shelf = Shelf(own, parts, first, language)
            if other is not None:
                shelf.spaces.append(_second_space(other, own, shelf.texts, encode))
            self._homes[language] = [homes[i] for i in chosen]
            self._shelves[language] = shelf
        self._places = {
            language: {(home, pair.id): i for i, (home, pair) in enumerate(zip(self._homes[language], shelf.pairs, strict=True))}
            for language, shelf in self._shelves.items()
            if near is not None and len(shelf.pairs) > EXACT
        }  # fmt: skip
        self._coverage = {
            language: Coverage(shelf.pairs, self._prepare_stored, language)
            for language, shelf in self._shelves.items()
        }
        self.fusion: Mapping[Language, Fusion] = {
            language: (fusion or {}).get(language)
            or learn_confidence(
                shelf,
                self._coverage[language],
                shelf.texts,
                default_fusion(language, len(shelf.spaces)),
                cache or cache_folder(),
            )
            for language, shelf in self._shelves.items()
        }  # fmt: skip

    def search(
        self, question: str, language: Language, k: int = 3, day: date | None = None
    ) -> list[Match]:
        """Find the k pairs that a question most likely means, best first.

        Known gaps are never returned, but they lower the confidence of what is.

        Args:
            question: As asked.
            language: To search in.
            k: How many.
            day: Pairs that do not hold on it are left out; today by default.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
        """
        shelf, fusion = self._shelf(language), self.fusion[language]
        coverage = self._coverage[language]
        words = coverage.cut(self._spelling.repair(self._prepare(question)))
        if len(shelf.spaces) > 1 and coverage.find_foreign(words):
            # The second encoder knows one language: of a mixed question it sees half.
            fusion = default_fusion(language, 1)
        similarities, chosen = self._compare(question, language)
        similar = similarities.fuse(fusion)
        exact = shelf.find_exactly(self._prepare(question))
        # Whatever else is near: who says the stored words means them.
        scores = similar + np.isin(chosen, list(exact)) * np.float32(_FIRST)
        today = day or date.today()
        holds = np.array([shelf.pairs[number].holds_on(today) for number in chosen], bool)
        similar, scores, chosen = similar[holds], scores[holds], chosen[holds]
        if not len(chosen):
            return []
        evidence = Evidence(
            similarities.values[holds],
            similar,
            lambda number: coverage.measure(words, int(chosen[number])),
        )
        order = np.argsort(-scores, kind="stable")
        matches: list[Match] = []
        for number in order:
            if len(matches) >= k:
                break
            pair = shelf.pairs[chosen[number]]
            if pair.is_gap:
                continue
            score = float(similar[number])
            confidence = fusion.judge(evidence.gather(int(number)))
            if int(chosen[number]) in exact:
                confidence = max(confidence, _EXACT_CONFIDENCE)
            if matches:
                confidence = min(confidence, matches[-1].confidence)
            home = self._homes[language][chosen[number]]
            matches.append(Match(pair, score, confidence, home))
        return matches

    def compare(self, question: str, language: Language) -> Similarities:
        """Return the similarities of a question to each pair of a language, gaps too.

        Raises:
            TextUnusable: The question has no words, or more than 2,000 characters.
            LanguageUnsupported: No base answers in that language.
        """
        return self._compare(question, language)[0]

    def is_ambiguous(self, question: str, language: Language) -> bool:
        """Whether a question says no more than what several pairs have in common.

        True for a bare term, such as "passport", that is part of the wordings of three pairs or more
        and is no whole wording of any.
        """
        shelf = self._shelf(language)
        plain = pack(self._prepare(question))
        if len(plain) > _TERM:
            return False
        if any(not shelf.is_gap[owner] for owner in shelf.find_exactly(plain)):
            return False
        sharing: set[int] = set()
        for owner in shelf.find_holding(plain):
            if not shelf.is_gap[owner]:
                sharing.add(owner)
                if len(sharing) >= _AMBIGUOUS:
                    return True
        return False

    def pairs(self, language: Language) -> tuple[Pair, ...]:
        """Return the pairs of a language in the order of `compare`, gaps too."""
        return self._shelf(language).pairs

    def _prepare_stored(self, text: str) -> str:
        try:
            return self._prepare(text)
        except TextUnusable:
            return text  # a wording without a word is found by nobody, and does no harm

    def _prepare(self, text: str) -> str:
        return self._synonyms.replace(reduce_question(clean_question(text)))

    def _compare(self, question: str, language: Language) -> tuple[Similarities, Integers]:
        shelf = self._shelf(language)
        text = self._spelling.repair(self._prepare(question))
        near: Integers | None = None
        if self._near is not None and len(shelf.pairs) > EXACT:
            first = shelf.spaces[0].encoder
            found = self._near(first, first.encode([text])[0], language, _NEAR)
            places = self._places[language]
            near = np.array([places[key] for key in found if key in places], np.int64)
        return shelf.compare(text, near)

    def _shelf(self, language: Language) -> Shelf:
        if language not in self._shelves:
            raise LanguageUnsupported(
                f"the knowledge base has no answers in {language!r}; it has some in"
                f" {', '.join(self.languages)}"
            )
        return self._shelves[language]


def _make_gaps(
    bases: Sequence[Base], background: Sequence[Base], encoder: Encoder, encode: Encode
) -> list[Base]:
    """Turn what is asked elsewhere into gaps of the languages in which there are few pairs."""
    made: list[Base] = []
    for language in find_languages(bases):
        own = [p for base in bases for p in base.pairs if p.language == language]
        if len([pair for pair in own if not pair.is_gap]) >= LEARNABLE:
            continue
        others = [p for base in background for p in base.pairs if p.language == language]
        if not others:
            continue
        texts = [text for pair in own for text in pair.wordings]
        vectors = encode(encoder, texts + [pair.question for pair in others])
        cosines = (vectors[len(texts) :] @ vectors[: len(texts)].T).max(1)
        gaps = [
            replace(pair, aliases=pair.aliases[:2], answer="", attachments=())
            for pair, cosine in zip(others, cosines, strict=True)
            if cosine < _SAME
        ]
        made.append(Base(f"\0background-{language}", tuple(gaps)))
    return made


def _second_space(
    encoder: Encoder, pairs: Sequence[Pair], texts: Sequence[str], encode: Encode
) -> Space:
    vectors = encode(encoder, [*texts, *(pair.answer or pair.question for pair in pairs)])
    owner = np.repeat(np.arange(len(pairs)), [len(pair.wordings) for pair in pairs])
    wordings, answers = vectors[: len(texts)], vectors[len(texts) :]
    whitening = whiten_wordings(wordings, owner)
    wordings, answers = unit(wordings @ whitening), unit(answers @ whitening)
    sums = np.zeros((len(pairs), wordings.shape[1]), np.float32)
    np.add.at(sums, owner, wordings)
    return Space(encoder, whitening, sums, wordings, answers)
