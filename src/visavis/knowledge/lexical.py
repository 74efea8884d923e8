"""Similarity by shared spelling and shared sound, for what sentence vectors miss.

Names, codes and rare words, and the homophones and misspellings that come out of a speech recogniser.
TF-IDF cosine over character pairs and toneless syllables (Chinese), or word stems and letter triples
(English), by an inverted index.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np

from visavis.core.types import Floats, Language

_NOT_WORD = re.compile(r"[\W_]+")
_WORD = re.compile(r"[a-z0-9]+")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_ENDING = re.compile(r"(?:ing|ed|es|s|e)$")
_SWAPPED_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"))
_BACK_NASAL = re.compile(r"(?<=[aei])ng$")


def _character_pairs(text: str) -> Iterable[str]:
    packed = _NOT_WORD.sub("", text.lower())
    yield from packed
    yield from (packed[i : i + 2] for i in range(len(packed) - 1))


def _syllable_pairs(text: str) -> Iterable[str]:
    """Pairs of toneless syllables, with the sounds merged that speakers and recognisers confuse."""
    from pypinyin import lazy_pinyin

    for run in _HAN_RUN.findall(text):
        syllables = [_fold_syllable(s) for s in lazy_pinyin(run)]
        yield from (f"{a} {b}" for a, b in pairwise(syllables))


def _fold_syllable(syllable: str) -> str:
    for long, short in _SWAPPED_INITIALS:
        if syllable.startswith(long):
            syllable = short + syllable[len(long) :]
    return _BACK_NASAL.sub("n", syllable)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("'", "").replace("’", ""))


def _stems(text: str) -> Iterable[str]:
    return (_ENDING.sub("", word) if len(word) > 4 else word for word in _words(text))


def _letter_triples(text: str) -> Iterable[str]:
    for word in _words(text):
        framed = f"^{word}$"
        yield from (framed[i : i + 3] for i in range(len(framed) - 2))


_FEATURES: dict[Language, tuple[Callable[[str], Iterable[str]], ...]] = {
    "zh": (_character_pairs, _syllable_pairs),
    "en": (_stems, _letter_triples),
}


class LexicalIndex:
    """Texts of one language, searchable by spelling and sound."""

    def __init__(self, texts: Sequence[str], language: Language) -> None:
        self._size = len(texts)
        self._channels = [_Channel(texts, features) for features in _FEATURES[language]]

    def score(self, query: str) -> Floats:
        """Return float32 (n,) in [0, 1]: the mean similarity over the channels."""
        if not self._size:
            return np.zeros(0, np.float32)
        total = np.sum([channel.score(query) for channel in self._channels], axis=0)
        mean: Floats = (total / len(self._channels)).astype(np.float32)
        return mean


class _Channel:
    """TF-IDF cosine over one kind of feature."""

    def __init__(self, texts: Sequence[str], features: Callable[[str], Iterable[str]]) -> None:
        self._features = features
        self._size = len(texts)
        counts = [Counter(features(text)) for text in texts]
        self._documents = Counter(term for count in counts for term in count)
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, count in enumerate(counts):
            weights = self._weigh(count)
            norm = math.sqrt(sum(w * w for w in weights.values())) or 1.0
            for term, weight in weights.items():
                postings[term].append((number, weight / norm))
        self._postings = {
            term: (
                np.array([n for n, _ in rows], np.int64),
                np.array([w for _, w in rows], np.float32),
            )
            for term, rows in postings.items()
        }

    def score(self, query: str) -> Floats:
        weights = self._weigh(Counter(self._features(query)))
        norm = math.sqrt(sum(w * w for w in weights.values())) or 1.0
        scores = np.zeros(self._size, np.float32)
        for term, weight in weights.items():
            found = self._postings.get(term)
            if found is not None:
                scores[found[0]] += found[1] * (weight / norm)
        return scores

    def _weigh(self, count: Counter[str]) -> dict[str, float]:
        return {
            term: (1 + math.log(n)) * math.log(1 + self._size / (1 + self._documents.get(term, 0)))
            for term, n in count.items()
        }
