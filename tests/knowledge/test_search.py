from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from visavis.core.errors import LanguageUnsupported, TextUnusable
from visavis.core.types import Language
from visavis.knowledge.base import Base, Pair, load_samples
from visavis.knowledge.fusion import WAYS
from visavis.knowledge.lexical import LexicalIndex
from visavis.knowledge.search import KnowledgeIndex
from visavis.knowledge.spelling import Spelling
from visavis.knowledge.synonyms import Synonyms
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
    assert best.confidence >= index.fusion[language].hint


def test_one_wrong_letter_is_put_right() -> None:
    spelling = Spelling(["How do I renew a passport?", "Residence permits for my house"])
    repaired = spelling.repair("My pasport, my passsport and my passpotr are in the horse")
    assert repaired == "My passport, my passport and my passport are in the horse"
    assert spelling.repair("resident permit 护照 rnew") == "resident permit 护照 rnew"


def test_synonyms_are_the_same_word(encoder: SentenceEncoder, tmp_path: Path) -> None:
    pairs = (
        Pair("one", "居住证怎么办理?", "到派出所办。", "zh"),
        Pair("two", "How do I get an ID card?", "At the police.", "en"),
    )
    groups = (("居住证", "暂住证", "暂住卡"), ("ID card", "papers"))
    index = KnowledgeIndex([Base("b", pairs, synonyms=groups)], encoder, cache=tmp_path)
    (chinese,) = index.search("暂住卡怎么办理?", "zh")
    (english,) = index.search("How do I get an Papers?", "en")
    plain = KnowledgeIndex([Base("b", pairs)], encoder, cache=tmp_path)
    assert chinese.score > plain.search("暂住卡怎么办理?", "zh")[0].score
    assert chinese.score == pytest.approx(index.search("居住证怎么办理?", "zh")[0].score)
    assert english.score == pytest.approx(index.search("How do I get an ID card?", "en")[0].score)
    assert "wallpapers" in Synonyms(groups).replace("wallpapers")


def test_what_does_not_hold_today_is_not_found(encoder: SentenceEncoder, tmp_path: Path) -> None:
    old = Pair("old", "今年的供暖费多少?", "二十元。", "zh", valid_to=date(2025, 12, 31))
    new = Pair("new", "今年的供暖费多少?", "三十元。", "zh", valid_from=date(2026, 1, 1))
    index = KnowledgeIndex([Base("b", (old, new))], encoder, cache=tmp_path)
    for day, wanted in ((date(2025, 12, 31), "old"), (date(2026, 1, 1), "new")):
        (found,) = index.search("今年的供暖费多少?", "zh", day=day)
        assert found.pair.id == wanted


def test_a_wording_without_words_does_no_harm(encoder: SentenceEncoder, tmp_path: Path) -> None:
    odd = Pair("odd", "😀", "笑一笑。", "zh", aliases=("？？",))
    pair = Pair("one", "图书馆在哪里?", "在学校旁边。", "zh")
    index = KnowledgeIndex([Base("b", (odd, pair))], encoder, cache=tmp_path)
    assert index.search("图书馆在哪里", "zh")[0].pair == pair


def test_nothing_holds_on_the_day(encoder: SentenceEncoder, tmp_path: Path) -> None:
    old = Pair("old", "今年的供暖费多少?", "二十元。", "zh", valid_to=date(2025, 12, 31))
    index = KnowledgeIndex([Base("b", (old,))], encoder, cache=tmp_path)
    assert index.search("今年的供暖费多少?", "zh", day=date(2026, 1, 1)) == []


def test_the_same_id_in_two_bases_is_two_questions(
    encoder: SentenceEncoder, tmp_path: Path
) -> None:
    here = Base("library", (Pair("one", "图书馆几点开门?", "九点。", "zh"),))
    there = Base("hall", (Pair("one", "怎么注册公司?", "网上。", "zh"),))
    index = KnowledgeIndex([here, there], encoder, cache=tmp_path)
    assert index.search("图书馆几点开门?", "zh")[0].base == "library"
    assert index.search("怎么注册公司?", "zh")[0].base == "hall"


def test_many_pairs_are_searched_through_those_that_are_near(
    monkeypatch: pytest.MonkeyPatch, encoder: SentenceEncoder, tmp_path: Path
) -> None:
    pairs = tuple(p for base in load_samples() for p in base.pairs if p.language == "en")
    exact = KnowledgeIndex([Base("b", pairs)], encoder, cache=tmp_path)
    monkeypatch.setattr("visavis.knowledge.shelf.EXACT", 50)
    monkeypatch.setattr("visavis.knowledge.search.EXACT", 50)
    monkeypatch.setattr("visavis.knowledge.shelf._LOOKED_AT", 20)
    many = KnowledgeIndex([Base("b", pairs)], encoder, fusion=exact.fusion, cache=tmp_path)
    for question in ("how do I get a passport", "my licence expired", "where do I complain"):
        ours, theirs = many.search(question, "en"), exact.search(question, "en")
        assert ours[0].pair == theirs[0].pair
        assert ours[0].score == pytest.approx(theirs[0].score, rel=0.01)


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


def test_a_stored_wording_is_answered_even_alone_or_twice(
    encoder: SentenceEncoder, tmp_path: Path
) -> None:
    here = Base("here", (Pair("one", "图书馆几点开门?", "九点。", "zh", aliases=("几点能借书",)),))
    there = Base("there", (Pair("two", "图书馆几点开门?", "十点。", "zh"),))
    alone = KnowledgeIndex([here], encoder, cache=tmp_path)
    both = KnowledgeIndex([here, there], encoder, cache=tmp_path)
    for index in (alone, both):
        for question in ("图书馆几点开门", "请问图书馆几点开门?"):
            assert index.search(question, "zh")[0].confidence >= 0.99
    assert alone.search("几点能借书?", "zh")[0].confidence >= 0.99
    assert alone.search("博物馆在哪里", "zh")[0].confidence < alone.fusion["zh"].threshold


def test_the_weights_matter(index: KnowledgeIndex) -> None:
    question, ids = "家人过世户口怎么销", [pair.id for pair in index.pairs("zh")]
    similarities = index.compare(question, "zh")
    fusion = index.fusion["zh"]
    none = dict.fromkeys(WAYS, 0.0)
    only_spelling = replace(fusion, **{**none, "spelling": 1.0})
    assert ids[int(similarities.fuse(fusion).argmax())] == "household-death"
    np.testing.assert_allclose(similarities.fuse(only_spelling), similarities.of("spelling"))
    more = replace(fusion, centroid=2 * fusion.centroid)
    assert similarities.fuse(more).max() > similarities.fuse(fusion).max()


def test_spelling_and_sound() -> None:
    index = LexicalIndex(["身份证丢了怎么补办", "公积金余额怎么查", "怎么注册公司"], "zh")
    assert index.score("身份证丢了怎么补办")[0] == pytest.approx(1, abs=1e-5)
    assert int(index.score("公鸡金鱼鹅").argmax()) == 1
    assert index.score("hello").max() == 0
    english = LexicalIndex(["renew a passport", "register a company"], "en")
    assert int(english.score("compny").argmax()) == 1
    assert LexicalIndex([], "en").score("a").shape == (0,)
