"""Similarity by shared spelling and shared sound, for what sentence vectors miss.

Names, codes and rare words, and the homophones and misspellings that come out of a speech recogniser.
TF-IDF cosine over characters and their pairs, toneless syllables and words (Chinese), or word stems and
letter triples (English), by an inverted index.

Shapes: n texts, k features of all texts together, t different features. A feature is an int64 key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.models.common.chinese_words import load_jieba

Integers: TypeAlias = npt.NDArray[np.int64]
Keys: TypeAlias = tuple[Integers, Integers]
"""(k,) the text that a feature is of, and (k,) the feature."""

_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_ENDING = re.compile(r"(?:ing|ed|es|s|e)$")
_SWAPPED_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"))
_BACK_NASAL = re.compile(r"(?<=[aei])ng$")
_FIRST_HAN, _LAST_HAN = 0x3400, 0x9FFF
_POINTS = 0x110000
"""Code points there are."""
_VISITS = 200_000
"""Places in texts that are looked at for a question, at most, of each kind of feature."""


def _character_pairs(texts: Sequence[str]) -> Keys:
    """Letters and digits one by one, and each with the next one."""
    rows, points = _code_points(texts)
    follows = rows[1:] == rows[:-1]
    pairs = (points[:-1] + 1) * _POINTS + points[1:]
    return (
        np.concatenate([rows, rows[:-1][follows]]),
        np.concatenate([points, pairs[follows]]),
    )


def _syllable_pairs(texts: Sequence[str]) -> Keys:
    """Pairs of toneless syllables, with the sounds merged that speakers and recognisers confuse."""
    rows, points = _code_points(texts)
    han = (points >= _FIRST_HAN) & (points <= _LAST_HAN)
    syllables = np.full(len(points), -1, np.int64)
    syllables[han] = _syllables()[points[han] - _FIRST_HAN]
    joined = (rows[1:] == rows[:-1]) & (syllables[1:] >= 0) & (syllables[:-1] >= 0)
    return rows[:-1][joined], (syllables[:-1] * 4096 + syllables[1:])[joined]


def _chinese_words(texts: Sequence[str]) -> Keys:
    """Words as jieba cuts them."""
    cut = load_jieba().lcut
    return _collect([[w for w in cut(text.lower()) if w[0].isalnum()] for text in texts], hash_word)


def _stems(texts: Sequence[str]) -> Keys:
    stem = functools.cache(lambda word: _ENDING.sub("", word) if len(word) > 4 else word)
    return _collect([[stem(word) for word in _words(text)] for text in texts], hash_word)


def _letter_triples(texts: Sequence[str]) -> Keys:
    return _collect(
        [[t for word in _words(text) for t in _triples(word)] for text in texts], hash_word
    )


_FEATURES: dict[Language, tuple[Callable[[Sequence[str]], Keys], ...]] = {
    "zh": (_character_pairs, _syllable_pairs, _chinese_words),
    "en": (_stems, _letter_triples),
}


class LexicalIndex:
    """Texts of one language, searchable by spelling and sound."""

    def __init__(
        self, texts: Sequence[str], language: Language, titles: Sequence[str] | None = None
    ) -> None:
        """Count the features of all texts.

        Args:
            texts: n texts.
            language: Of them.
            titles: n short texts, whose words count; cutting whole texts into Chinese words would
                take most of the time. The texts themselves by default.
        """
        self._size = len(texts)
        self._channels = [
            _Channel(texts if features is not _chinese_words else titles or texts, features)
            for features in _FEATURES[language]
        ]

    def score(self, query: str) -> Floats:
        """Return float32 (n,) in [0, 1]: the mean similarity over the channels."""
        total = np.zeros(self._size, np.float32)
        if self._size:
            for channel in self._channels:
                total += channel.score(query)
        total /= len(self._channels)
        return total

    def compare(self) -> Floats:
        """Return float32 (n, n) in [0, 1]: how alike the texts are, as ``score`` says."""
        total = np.zeros((self._size, self._size), np.float32)
        for channel in self._channels:
            total += channel.compare()
        total /= len(self._channels)
        return total


class _Channel:
    """TF-IDF cosine over one kind of feature."""

    def __init__(self, texts: Sequence[str], features: Callable[[Sequence[str]], Keys]) -> None:
        self._features = features
        self._size = len(texts)
        rows, keys = features(texts)
        self._keys, terms = np.unique(keys, return_inverse=True)
        found, counts = np.unique(terms * max(self._size, 1) + rows, return_counts=True)
        terms, self._rows = np.divmod(found, max(self._size, 1))
        self._rows = self._rows.astype(np.int32)
        documents = np.bincount(terms, minlength=len(self._keys))
        self._starts = np.concatenate([[0], np.cumsum(documents)])
        self._rarity = np.log(1 + self._size / (1 + documents)).astype(np.float32)
        weights = (1 + np.log(counts)) * self._rarity[terms]
        norms = np.sqrt(np.bincount(self._rows, weights**2, self._size)) if len(terms) else None
        if norms is not None:
            weights = weights / np.maximum(norms[self._rows], 1e-12)
        self._weights = weights.astype(np.float32)

    def score(self, query: str) -> Floats:
        _, keys = self._features([query])
        keys, counts = np.unique(keys, return_counts=True)
        place = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        known = self._keys[place] == keys if len(self._keys) else np.zeros(len(keys), bool)
        rarity = np.where(
            known, self._rarity[place] if len(self._keys) else 0, np.log(1 + self._size)
        )
        weights = (1 + np.log(counts)) * rarity
        norm = float(np.sqrt((weights**2).sum())) or 1.0
        scores = np.zeros(self._size, np.float32)
        terms, weights = place[known], weights[known] / norm
        lengths = self._starts[terms + 1] - self._starts[terms]
        order = np.argsort(lengths, kind="stable")
        # The rarest terms first: the common ones of many texts take time and tell nothing.
        order = order[: max(int((np.cumsum(lengths[order]) <= _VISITS).sum()), 1)]
        for term, weight in zip(terms[order], weights[order], strict=True):
            begin, end = self._starts[term], self._starts[term + 1]
            # A text holds a term once, so that no index comes twice.
            scores[self._rows[begin:end]] += self._weights[begin:end] * np.float32(weight)
        return scores

    def compare(self) -> Floats:
        total = np.zeros((self._size, self._size), np.float32)
        for begin, end in zip(self._starts[:-1], self._starts[1:], strict=True):
            rows, weights = self._rows[begin:end], self._weights[begin:end]
            total[rows[:, None], rows[None]] += weights[:, None] * weights[None]
        return total


def _code_points(texts: Sequence[str]) -> Keys:
    """The letters and digits of texts, small: (k,) which text, and (k,) its code point."""
    packed = ["".join(c for c in text.lower() if c.isalnum()) for text in texts]
    points = np.frombuffer("".join(packed).encode("utf-32-le", "replace"), np.uint32)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), [len(text) for text in packed])
    return rows, points.astype(np.int64)


@functools.cache
def _syllables() -> Integers:
    """(m,) the number of the toneless syllable of each Chinese character; -1 for what has none."""
    from pypinyin import lazy_pinyin

    numbers: dict[str, int] = {}
    table = np.full(_LAST_HAN - _FIRST_HAN + 1, -1, np.int64)
    for place in range(len(table)):
        char = chr(_FIRST_HAN + place)
        (syllable,) = lazy_pinyin(char)
        if syllable != char:
            table[place] = numbers.setdefault(_fold_syllable(syllable), len(numbers))
    return table


def _fold_syllable(syllable: str) -> str:
    for long, short in _SWAPPED_INITIALS:
        if syllable.startswith(long):
            syllable = short + syllable[len(long) :]
    return _BACK_NASAL.sub("n", syllable)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("'", "").replace("’", ""))


@functools.lru_cache(maxsize=100_000)
def _triples(word: str) -> tuple[str, ...]:
    framed = f"^{word}$"
    return tuple(framed[i : i + 3] for i in range(len(framed) - 2))


@functools.lru_cache(maxsize=500_000)
def hash_word(word: str) -> int:
    """Make an int64 of a word, the same in every process; two words share one in 10^-7 of bases."""
    from hashlib import blake2b

    return (
        int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1
    )


def _collect(words: Sequence[Sequence[str]], number: Callable[[str], int]) -> Keys:
    rows = np.repeat(np.arange(len(words), dtype=np.int64), [len(row) for row in words])
    keys = np.fromiter((number(word) for row in words for word in row), np.int64, len(rows))
    return rows, keys
