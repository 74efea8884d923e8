import numpy as np
import pytest

from visavis.knowledge.text_list import TextList

TEXTS = ["护照", "", "a b", "line\nbreak", "😀x", "护照在哪", ""]


def test_it_is_a_list_of_texts() -> None:
    texts = TextList(TEXTS)
    assert list(texts) == TEXTS
    assert len(texts) == 7
    assert [texts[i] for i in range(7)] == TEXTS
    assert texts[-2] == "护照在哪"
    assert texts[np.int32(4)] == "😀x"
    assert texts[1:4] == TEXTS[1:4]
    for wrong in (7, -8):
        with pytest.raises(IndexError, match="7 texts"):
            texts[wrong]


def test_it_comes_back_from_its_arrays() -> None:
    texts = [*TEXTS, "half \ud83d"]
    arrays = dict(TextList(texts).arrays())
    assert arrays["letters"].dtype == np.uint8
    assert list(TextList.of(arrays)) == texts
    assert list(TextList.of(dict(TextList([]).arrays()))) == []


def test_texts_that_hold_a_part_are_found_once_each() -> None:
    texts = TextList(["aba", "bab", "", "abab", "c"])
    assert list(texts.find_holding("ab")) == [0, 1, 3]
    assert list(texts.find_holding("c")) == [4]
    assert list(texts.find_holding("bb")) == []
    assert list(texts.find_holding("")) == [0, 1, 2, 3, 4]
    assert list(TextList([]).find_holding("a")) == []
