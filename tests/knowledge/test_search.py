from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.core.types import Language
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.lexical import LexicalIndex
from visavis.knowledge.search import DEFAULT_FUSION, KnowledgeIndex, whiten_wordings
from visavis.models.sentence_encoder.predictor import SentenceEncoder


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_stored_question_finds_itself(index: KnowledgeIndex, language: Language) -> None:
    fusion = index.fusion[language]
    for pair in index.pairs(language):
        if pair.is_gap:
            continue
        best = index.search(pair.question, language, 1)[0]
        assert best.pair.id == pair.id, pair.question
        assert best.confidence >= fusion.threshold, (pair.question, best.confidence)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_known_gap_is_never_answered(index: KnowledgeIndex, language: Language) -> None:
    gaps = [pair for pair in index.pairs(language) if pair.is_gap]
    assert len(gaps) >= 30
    for gap in gaps:
        matches = index.search(gap.question, language)
        assert all(not match.pair.is_gap for match in matches)
        assert matches[0].confidence < index.fusion[language].threshold, gap.question


@pytest.mark.parametrize(
    ("question", "language", "wanted"),
    [
        ("身份正丢了怎么补办", "zh", "id-card-lost"),
        ("公鸡金怎么提出来付房租", "zh", "fund-rent"),
        ("護照過期了怎麼換新的", "zh", "passport-renew"),
        ("你好,请问港澳通行证怎么办啊?谢谢", "zh", "hk-macau-permit"),
        ("how do I get a pasport", "en", "passport-first"),
        ("HOW MUCH DOES A PASSPORT COST", "en", "passport-fee"),
        ("Hi, could you tell me how to renew my driver's licence, please?", "en", "driver-renew"),
        ("如何 renew 我的 passport", "zh", "passport-renew"),
    ],
)
def test_homophones_typos_scripts_and_courtesies(
    index: KnowledgeIndex, question: str, language: Language, wanted: str
) -> None:
    best = index.search(question, language)[0]
    assert best.pair.id == wanted
    assert best.confidence >= index.fusion[language].threshold


def test_matches_are_in_order_and_in_the_language_asked(index: KnowledgeIndex) -> None:
    matches = index.search("公积金怎么取", "zh", 10)
    assert len(matches) == 10
    scores = [match.score for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert {match.pair.language for match in matches} == {"zh"}
    confidences = [match.confidence for match in matches]
    assert max(confidences) == confidences[0]
    assert all(0 <= confidence <= 1 for confidence in confidences)


def test_more_than_there_is_gives_all(index: KnowledgeIndex) -> None:
    answered = [pair for pair in index.pairs("en") if not pair.is_gap]
    assert len(index.search("passport", "en", 10_000)) == len(answered)
    assert index.search("passport", "en", 0) == []


def test_unusable_questions_are_refused(index: KnowledgeIndex) -> None:
    with pytest.raises(TextUnusable):
        index.search("😀", "zh")
    with pytest.raises(TextUnusable):
        index.search("护" * 3_000, "zh")


def test_a_language_without_answers_is_named(encoder: SentenceEncoder, tmp_path: Path) -> None:
    pair = Pair("one", "图书馆在哪里?", "在学校旁边。", "zh")
    gap = Pair("two", "Where is the museum?", "", "en")
    index = KnowledgeIndex([Base("one", (pair, gap))], encoder, cache=tmp_path)
    assert index.languages == ("zh",)
    with pytest.raises(LanguageUnsupported, match="'en'"):
        index.search("How do I get a passport?", "en")


def test_one_single_pair_is_enough(encoder: SentenceEncoder, tmp_path: Path) -> None:
    pair = Pair("one", "Where is the library?", "It is next to the school.", "en")
    index = KnowledgeIndex([Base("one", (pair,))], encoder, cache=tmp_path)
    (best,) = index.search("where can I find the library", "en")
    assert best.pair == pair


def test_the_weights_matter(index: KnowledgeIndex) -> None:
    question, ids = "爷爷走了,他的户籍要怎么处理", [pair.id for pair in index.pairs("zh")]
    similarities = index.compare(question, "zh")
    fusion = DEFAULT_FUSION["zh"]
    only_spelling = replace(fusion, centroid=0, nearest=0, answer=0, lexical=1)
    assert ids[int(similarities.fuse(fusion).argmax())] == "household-death"
    np.testing.assert_allclose(similarities.fuse(only_spelling), similarities.lexical)
    assert similarities.fuse(replace(fusion, centroid=5)).max() > similarities.fuse(fusion).max()


def test_spelling_and_sound() -> None:
    index = LexicalIndex(["身份证丢了怎么补办", "公积金余额怎么查", "怎么注册公司"], "zh")
    assert index.score("身份证丢了怎么补办")[0] == pytest.approx(1, abs=1e-5)
    assert int(index.score("公鸡金鱼鹅").argmax()) == 1
    assert index.score("hello").max() == 0
    english = LexicalIndex(["renew a passport", "register a company"], "en")
    assert int(english.score("compny").argmax()) == 1
    assert LexicalIndex([], "en").score("a").shape == (0,)


def test_whitening_brings_wordings_together() -> None:
    rng = np.random.default_rng(3)
    items = np.repeat(np.arange(40), 6)
    meaning = rng.normal(size=(40, 32)).astype(np.float32)
    manner = rng.normal(size=(len(items), 3)) @ rng.normal(size=(3, 32)) * 1.5
    vectors = (meaning[items] + manner).astype(np.float32)

    def separation(rows: np.ndarray) -> float:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosine = rows @ rows.T
        same = items[:, None] == items[None]
        np.fill_diagonal(same, False)
        return float(cosine[same].mean() - cosine[items[:, None] != items[None]].mean())

    assert separation(vectors @ whiten_wordings(vectors, items)) > separation(vectors) + 0.1


def test_single_wordings_leave_the_space_as_it_was() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_array_equal(whiten_wordings(vectors, np.arange(5)), np.eye(8))
    np.testing.assert_array_equal(whiten_wordings(vectors[[0, 0]], np.array([0, 0])), np.eye(8))
