"""Similarity by shared spelling and shared sound, for what sentence vectors miss.

Names, codes and rare words, and the homophones and misspellings that come out of a speech recogniser.
TF-IDF cosine over characters and their pairs, toneless syllables and words (Chinese), or word stems and
letter triples (English), by inverted indexes.

Shapes: n texts. A feature is an int64 key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Language
from visavis.knowledge.postings import (
    NAMES,
    Arrays,
    Features,
    Integers,
    Keys,
    Postings,
    count_features,
)
from visavis.models.common.chinese_words import load_jieba

_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_REMEMBERED = 200_000
"""Runs of which it is remembered how they are cut; they take 80 MB."""
_MARKS = re.compile(r"[\W_]+")
"""All that is neither letter nor digit."""
_ENDING = re.compile(r"(?:ing|ed|es|s|e)$")
_SWAPPED_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"))
_BACK_NASAL = re.compile(r"(?<=[aei])ng$")
Words: TypeAlias = dict[str, Integers]
"""Numbers of the words of a run of letters."""

_FIRST_HAN, _LAST_HAN = 0x3400, 0x9FFF
_POINTS = 0x110000
"""Code points there are."""


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


def _chinese_words(texts: Sequence[str], known: Words | None = None) -> Keys:
    """Words as jieba cuts them.

    Args:
        texts: Texts.
        known: What was cut before; grows.
    """
    known = {} if known is None else known
    jieba = load_jieba()
    rows: list[Integers] = []
    for text in texts:
        runs: list[Integers] = []
        # jieba itself takes a text apart so, and cuts each run alone.
        for run in jieba.re_han_default.split(text.lower()):
            words = known.get(run)
            if words is None:
                words = np.array(
                    [hash_word(w) for w in jieba.lcut(run) if w[0].isalnum()], np.int64
                )
                if len(known) < _REMEMBERED:
                    known[run] = words
            runs.append(words)
        rows.append(np.concatenate(runs) if runs else np.zeros(0, np.int64))
    owners = np.repeat(np.arange(len(texts), dtype=np.int64), [len(row) for row in rows])
    return owners, np.concatenate(rows) if rows else np.zeros(0, np.int64)


def _stems(texts: Sequence[str]) -> Keys:
    stem = functools.cache(lambda word: _ENDING.sub("", word) if len(word) > 4 else word)
    return _collect([[stem(word) for word in _words(text)] for text in texts], hash_word)


def _letter_triples(texts: Sequence[str]) -> Keys:
    return _collect(
        [[t for word in _words(text) for t in _triples(word)] for text in texts], hash_word
    )


_FEATURES: dict[Language, tuple[Features, ...]] = {
    "zh": (_character_pairs, _syllable_pairs, _chinese_words),
    "en": (_stems, _letter_triples),
}


class LexicalIndex:
    """Texts of one language, searchable by spelling and sound."""

    def __init__(
        self, texts: Sequence[str], language: Language, titles: Sequence[str] | None = None
    ) -> None:
        """Count the features of all texts; see `count_texts`."""
        counted = dict(count_texts(texts, language, titles))
        self._take(counted, len(texts), language)

    @classmethod
    def of(cls, arrays: Arrays, size: int, language: Language) -> LexicalIndex:
        """Take what `count_texts` made of so many texts."""
        made = cls.__new__(cls)
        made._take(arrays, size, language)
        return made

    def _take(self, arrays: Arrays, size: int, language: Language) -> None:
        self._size = size
        self._channels = [
            Postings({name: arrays[f"{number}.{name}"] for name in NAMES}, size, features)
            for number, features in enumerate(_FEATURES[language])
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


def count_texts(
    texts: Sequence[str],
    language: Language,
    titles: Sequence[str] | None = None,
    words: Words | None = None,
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Count the features of all texts, one kind after the other.

    Args:
        texts: n texts.
        language: Of them.
        titles: n short texts, whose words count; cutting whole texts into Chinese words would
            take most of the time. The texts themselves by default.
        words: How Chinese was cut when other texts were counted; grows.

    Yields:
        The number of the kind and the name of an array, ``0.keys``; and the array.
    """
    for number, features in enumerate(_FEATURES[language]):
        some = texts
        if features is _chinese_words:
            some, features = titles or texts, functools.partial(_chinese_words, known=words)
        for name, array in count_features(some, features).items():
            yield f"{number}.{name}", array


def _code_points(texts: Sequence[str]) -> Keys:
    """The letters and digits of texts, small: (k,) which text, and (k,) its code point."""
    packed = [_MARKS.sub("", text.lower()) for text in texts]
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
