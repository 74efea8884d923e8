import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from visavis.core.errors import FileUnreadable
from visavis.core.types import Language
from visavis.knowledge.evaluate import (
    Case,
    calibrate,
    evaluate,
    load_cases,
    load_sample_cases,
    tabulate,
)
from visavis.knowledge.search import DEFAULT_FUSION, KnowledgeIndex


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_sample_questions_are_enough_and_name_real_pairs(
    index: KnowledgeIndex, language: Language
) -> None:
    cases = load_sample_cases(language)
    ids = {pair.id for pair in index.pairs(language) if not pair.is_gap}
    assert all(set(case.expect) <= ids for case in cases)
    assert len({case.text for case in cases}) == len(cases)
    assert len([c for c in cases if c.kind == "paraphrase"]) >= 120
    assert len([c for c in cases if not c.expect]) >= 60
    for part in ("tune", "report"):
        own = [case for case in cases if case.part == part]
        covered = {case.expect[0] for case in own if case.expect}
        assert covered == ids


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_reported_question_is_stored(index: KnowledgeIndex, language: Language) -> None:
    stored = {plain(text) for pair in index.pairs(language) for text in pair.wordings}
    for case in load_sample_cases(language, "report"):
        assert plain(case.text) not in stored, case.text


def test_no_paraphrase_shares_most_of_its_words_with_its_pair(index: KnowledgeIndex) -> None:
    for language in index.languages:
        pairs = {pair.id: pair for pair in index.pairs(language)}
        for case in load_sample_cases(language):
            if case.kind != "paraphrase":
                continue
            for wording in pairs[case.expect[0]].wordings:
                ours, theirs = words(case.text, language), words(wording, language)
                assert len(ours & theirs) <= 0.6 * len(ours | theirs), (case.text, wording)


@pytest.mark.parametrize(
    ("language", "recall_1", "recall_3", "wrong", "refused", "false_answers"),
    [("zh", 0.85, 0.96, 0.05, 0.30, 0.06), ("en", 0.82, 0.94, 0.04, 0.43, 0.13)],
)
def test_figures_on_the_reported_half(
    index: KnowledgeIndex,
    language: Language,
    recall_1: float,
    recall_3: float,
    wrong: float,
    refused: float,
    false_answers: float,
) -> None:
    figures = evaluate(index, load_sample_cases(language, "report"))
    assert figures.recall_1 >= recall_1
    assert figures.recall_3 >= recall_3
    assert figures.wrong <= wrong
    assert figures.false_refusals <= refused
    assert figures.false_answers <= false_answers
    assert figures.answered + figures.wrong + figures.false_refusals == pytest.approx(1)
    plainly = [c for c in load_sample_cases(language, "report") if c.kind == "plain"]
    assert evaluate(index, plainly).answered >= 0.95


def test_the_counts_are_right(index: KnowledgeIndex) -> None:
    cases = [
        Case("身份证丢了怎么补办?", "zh", ("id-card-lost",), "plain", "report"),
        Case("身份证丢了怎么补办?", "zh", ("passport-lost",), "plain", "report"),
        Case("今天天气怎么样", "zh", ("id-card-lost",), "plain", "report"),
        Case("今天天气怎么样", "zh", (), "unrelated", "report"),
        Case("护照丢了怎么办?", "zh", (), "near", "report"),
    ]
    figures = evaluate(index, cases)
    assert (figures.inside, figures.outside) == (3, 2)
    assert figures.recall_1 == pytest.approx(1 / 3)
    assert figures.answered == pytest.approx(1 / 3)
    assert figures.wrong == pytest.approx(1 / 3)
    assert figures.false_refusals == pytest.approx(1 / 3)
    assert figures.false_answers == pytest.approx(1 / 2)


def test_no_cases_no_rates(index: KnowledgeIndex) -> None:
    figures = evaluate(index, [])
    assert figures.recall_1 != figures.recall_1
    assert (figures.inside, figures.outside) == (0, 0)


def test_calibration_finds_its_way_from_bad_weights(index: KnowledgeIndex) -> None:
    bad = replace(DEFAULT_FUSION["en"], centroid=0, nearest=0, answer=1, lexical=0, threshold=0.99)
    cases = load_sample_cases("en", "tune")
    kept = index.fusion
    try:
        index.fusion = {**kept, "en": bad}
        fitted = calibrate(index, cases, "en", grid=(0.0, 0.5))
        before = evaluate(index, cases)
        index.fusion = {**kept, "en": fitted}
        after = evaluate(index, cases)
    finally:
        index.fusion = kept
    assert after.recall_1 > before.recall_1 + 0.1
    assert after.answered > before.answered + 0.1
    assert 0.5 <= fitted.threshold <= 1
    assert fitted.slope > 0
    assert fitted.margin > 0


def test_the_table_has_a_row_for_each_language_and_kind(index: KnowledgeIndex) -> None:
    table = tabulate(index, load_sample_cases("zh", "report")[:30])
    assert set(table) == {"zh", "en"}
    assert table["zh"]["all"]["inside"] + table["zh"]["all"]["outside"] == 30
    assert table["en"]["all"]["inside"] == 0
    json.dumps(table)


def test_a_wrong_test_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"text": "a", "expect": [], "kind": "near", "part": "tune"}\n{"text": 1}\n')
    with pytest.raises(FileUnreadable, match="line 2"):
        load_cases(path, "en")


def plain(text: str) -> str:
    return re.sub(r"\W", "", text.lower())


def words(text: str, language: Language) -> set[str]:
    if language == "en":
        return set(re.findall(r"\w+", text.lower()))
    packed = plain(text)
    return {packed[i : i + 2] for i in range(len(packed) - 1)}
