from __future__ import annotations

from itertools import islice

import pytest

from visavis.core.language import detect_language
from visavis.core.types import Language
from visavis.training.data.sentences import make_sentences


@pytest.mark.parametrize("language", ["zh", "en"])
def test_thousands_of_different_sentences(language: Language) -> None:
    texts = list(islice(make_sentences(language, 3), 4000))
    assert len(set(texts)) == 4000
    assert not [t for t in texts if "{" in t or "}" in t]
    assert {detect_language(t) for t in texts} == {language}


def test_same_seed_same_sentences() -> None:
    first = list(islice(make_sentences("en", 5), 50))
    assert first == list(islice(make_sentences("en", 5), 50))
    assert first != list(islice(make_sentences("en", 6), 50))


def test_english_sentences_have_every_letter_in_many_places() -> None:
    text = " ".join(islice(make_sentences("en", 1), 500)).lower()
    assert min(text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz") >= 10
