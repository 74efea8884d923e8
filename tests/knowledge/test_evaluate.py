import json
import re
from pathlib import Path

import pytest

from visavis.core.errors import FileUnreadable
from visavis.core.types import Language
from visavis.knowledge.evaluate import (
    Case,
    ask,
    evaluate,
    load_cases,
    load_sample_cases,
    tabulate,
)
from visavis.knowledge.search import KnowledgeIndex


@pytest.mark.parametrize(("language", "pairs", "outside"), [("zh", 400, 100), ("en", 150, 90)])
def test_the_sample_questions_are_enough_and_name_real_pairs(
    index: KnowledgeIndex, language: Language, pairs: int, outside: int
) -> None:
    cases = load_sample_cases(language)
    ids = {pair.id for pair in index.pairs(language) if not pair.is_gap}
    assert len(ids) >= pairs
    assert all(set(case.expect) <= ids for case in cases)
    assert len({case.text for case in cases}) == len(cases)
    assert len([c for c in cases if not c.expect and c.part == "report"]) >= outside
    asked = [case.expect[0] for case in cases if case.kind == "paraphrase"]
    assert all(asked.count(name) >= 3 for name in ids)
    for part in ("tune", "report"):
        own = [case for case in cases if case.part == part]
        assert {name for case in own for name in case.expect} == ids


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_reported_question_is_stored(index: KnowledgeIndex, language: Language) -> None:
    stored = {plain(text) for pair in index.pairs(language) for text in pair.wordings}
    for case in load_sample_cases(language, "report"):
        assert plain(case.text) not in stored, case.text


def test_no_paraphrase_shares_most_of_its_words_with_the_stored_question(
    index: KnowledgeIndex,
) -> None:
    for language in index.languages:
        pairs = {pair.id: pair for pair in index.pairs(language)}
        for case in load_sample_cases(language):
            if case.kind == "paraphrase":
                ours = words(case.text, language)
                theirs = words(pairs[case.expect[0]].question, language)
                assert len(ours & theirs) <= 0.6 * len(ours | theirs), case.text


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_figures_on_the_reported_half(index: KnowledgeIndex, language: Language) -> None:
    cases = load_sample_cases(language, "report")
    paraphrases = evaluate(index, [case for case in cases if case.kind == "paraphrase"])
    assert paraphrases.recall_1 >= 0.85
    assert paraphrases.recall_3 >= 0.97
    assert paraphrases.false_refusals <= 0.05
    assert paraphrases.wrong <= 0.02
    assert paraphrases.answered >= 0.45
    total = paraphrases.answered + paraphrases.wrong + paraphrases.asked + paraphrases.misled
    assert total + paraphrases.false_refusals == pytest.approx(1)
    outside = evaluate(index, [case for case in cases if not case.expect])
    assert outside.false_answers < 0.05
    plainly = evaluate(index, [case for case in cases if case.kind == "plain"])
    assert plainly.recall_1 == 1
    assert plainly.answered >= 0.8


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
    assert figures.asked + figures.misled + figures.false_refusals == pytest.approx(1 / 3)
    assert figures.false_answers == pytest.approx(1 / 2)


def test_the_rank_counts_in_the_mean(index: KnowledgeIndex) -> None:
    question = "身份证丢了怎么补办?"
    second = index.search(question, "zh", 2)[1].pair.id
    figures = evaluate(index, [Case(question, "zh", (second,), "plain", "report")])
    assert (figures.recall_1, figures.recall_3, figures.mrr) == (0, 1, 0.5)


def test_no_cases_no_rates(index: KnowledgeIndex) -> None:
    figures = evaluate(index, [])
    assert figures.recall_1 != figures.recall_1
    assert (figures.inside, figures.outside) == (0, 0)


def test_the_table_has_a_row_for_each_language_and_kind(index: KnowledgeIndex) -> None:
    results = [ask(index, case) for case in load_sample_cases("zh", "report")[:30]]
    table = tabulate(results)
    assert set(table) == {"zh"}
    assert table["zh"]["all"]["inside"] + table["zh"]["all"]["outside"] == 30
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
        return set(re.findall(r"[a-z0-9']+", text.lower()))
    return set(plain(text))
