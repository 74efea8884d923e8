"""The inverted index against counting by hand, and in blocks against at once."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from visavis.knowledge import postings
from visavis.knowledge.lexical import LexicalIndex, Words, _chinese_words, count_texts, hash_word
from visavis.knowledge.postings import Keys, Postings, count_features
from visavis.models.common.chinese_words import load_jieba


def letters(texts: Sequence[str]) -> Keys:
    rows = [row for row, text in enumerate(texts) for _ in text]
    return np.array(rows, np.int64), np.array([ord(c) for t in texts for c in t], np.int64)


TEXTS = ["abca", "bcd", "", "zzz", "a", "cab", "bbbbbb", "护照"]


def weigh(text: str) -> dict[str, float]:
    counts = Counter(text)
    weights = {
        c: (1 + math.log(n)) * math.log(1 + len(TEXTS) / (1 + sum(c in t for t in TEXTS)))
        if any(c in t for t in TEXTS)
        else (1 + math.log(n)) * math.log(1 + len(TEXTS))
        for c, n in counts.items()
    }
    norm = math.sqrt(sum(w * w for w in weights.values())) or 1
    return {c: w / norm for c, w in weights.items()}


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("query", ["abca", "zb", "护a", "xyz", "照照"])
def test_scores_are_what_the_formula_says(
    block: int, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_BLOCK", block)
    found = Postings(count_features(TEXTS, letters), len(TEXTS), letters).score(query)
    asked = weigh(query)
    wanted = [sum(w * asked.get(c, 0) for c, w in weigh(text).items()) for text in TEXTS]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = count_features(TEXTS, letters)
    monkeypatch.setattr(postings, "_BLOCK", 2)
    for name, array in count_features(TEXTS, letters).items():
        assert array.dtype == whole[name].dtype
        np.testing.assert_array_equal(array, whole[name])


def test_every_text_is_like_itself() -> None:
    index = Postings(count_features(TEXTS, letters), len(TEXTS), letters)
    alike = index.compare()
    np.testing.assert_allclose(np.diag(alike), [1, 1, 0, 1, 1, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(alike[0], index.score(TEXTS[0]), atol=1e-6)


def test_no_texts_are_searched_too() -> None:
    index = Postings(count_features([], letters), 0, letters)
    assert index.score("abc").shape == (0,)
    assert index.compare().shape == (0, 0)


def test_chinese_is_cut_as_whole_texts_are() -> None:
    texts = [
        "身份证丢了，怎么补办？Ｗｉｆｉ",
        "办C++培训班要多少钱 50.5%\r\n，é٣ß",
        "",
        "？！",
        "İstanbul 签证 K线图",
        "𠮷野家在哪",
    ]
    known: Words = {}
    for _ in range(2):
        rows, keys = _chinese_words(texts, known)
        wanted = [
            (row, hash_word(word))
            for row, text in enumerate(texts)
            for word in load_jieba().lcut(text.lower())
            if word[0].isalnum()
        ]
        assert list(zip(rows.tolist(), keys.tolist(), strict=True)) == wanted
    assert "怎么补办" in known
    assert [part.tolist() for part in _chinese_words([])] == [[], []]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_was_counted_before_scores_the_same(language: str) -> None:
    texts = ["身份证丢了怎么补办", "renew a passport", "公积金余额怎么查 passport"]
    titles = ["身份证", "passport", "公积金"]
    made = LexicalIndex(texts, language, titles)  # type: ignore[arg-type]
    kept = dict(count_texts(texts, language, titles))  # type: ignore[arg-type]
    again = LexicalIndex.of(kept, 3, language)  # type: ignore[arg-type]
    for query in ("公鸡金", "pasport", "身份证"):
        np.testing.assert_array_equal(made.score(query), again.score(query))
    assert made.score("passport").max() > 0.3
