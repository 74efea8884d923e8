"""The encoders of the catalogue, with their own weights."""

from __future__ import annotations

import numpy as np
import pytest

from visavis.models.text_encoder.predictor import TextEncoder

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def chinese() -> TextEncoder:
    return TextEncoder("roformer-sim-small")


@pytest.fixture(scope="module")
def english() -> TextEncoder:
    return TextEncoder("minilm-l6-int8")


def test_chinese_paraphrases_are_nearer_than_other_questions(chinese: TextEncoder) -> None:
    asked, reworded, other = chinese.encode(
        ["身份证丢了怎么补办?", "我的身份证不见了,去哪里重新办一张?", "公积金贷款最多能贷多少?"]
    )
    assert asked @ reworded > asked @ other + 0.2


def test_english_paraphrases_are_nearer_than_other_questions(english: TextEncoder) -> None:
    asked, reworded, other = english.encode(
        [
            "How do I replace a lost ID card?",
            "My identity card is gone, where can I get a new one?",
            "How much can I borrow from the housing fund?",
        ]
    )
    assert asked @ reworded > asked @ other + 0.3


@pytest.mark.parametrize("name", ["chinese", "english"])
def test_a_text_has_the_same_vector_in_any_company(
    name: str, request: pytest.FixtureRequest
) -> None:
    encoder: TextEncoder = request.getfixturevalue(name)
    texts = [
        "护照",
        "",
        "How do I renew my passport?",
        "我想问一下护照到期了去哪里换",
        "😀",
        "a b " * 99,
    ]
    together = encoder.encode(texts)
    assert together.shape == (6, 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
