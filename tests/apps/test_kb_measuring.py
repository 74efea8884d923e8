"""What an evaluation measures beyond rates, with known answers; charts and the page."""

import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Literal

import pytest

from visavis.apps.kb.charts import Chart, Series, draw
from visavis.apps.kb.measuring import (
    Bin,
    bin_confidences,
    calibration_error,
    check_cases,
    choose_at,
    describe,
    find_mistakes,
    recalls,
    sweep_thresholds,
)
from visavis.apps.kb.report import write_page
from visavis.core.errors import InputError
from visavis.knowledge.base import Base, Pair
from visavis.knowledge.evaluate import Case, Result, tabulate
from visavis.knowledge.search import Match

PAIR = Pair("a", "What is <b>a</b>?", "A.", "en")


def make(
    confidence: float,
    rank: int,
    outcome: Literal["answer", "ask", "refusal"] = "answer",
    *,
    inside: bool = True,
) -> Result:
    case = Case(
        f"q {confidence}",
        "en",
        ("a",) if inside else (),
        "plain" if inside else "near",
        "report",
    )
    return Result(case, (Match(PAIR, 1.0, confidence),), outcome, rank)


RESULTS = [
    make(0.95, 1),
    make(0.92, 1),
    make(0.91, 2),
    make(0.55, 3, "ask"),
    make(0.05, 0, "refusal"),
    make(0.93, 0, inside=False),
    make(0.50, 0, "ask", inside=False),
]


def test_confidences_are_binned_with_the_share_that_is_right() -> None:
    low, middle, high = bin_confidences(RESULTS)
    assert low == Bin(0.0, 0.1, 0.05, 0.0, 1)
    assert (middle.low, middle.high, middle.count, middle.right) == (0.5, 0.6, 2, 0.0)
    assert middle.confidence == pytest.approx(0.525)
    assert (high.count, high.right) == (4, 0.5)
    assert high.confidence == pytest.approx((0.95 + 0.92 + 0.91 + 0.93) / 4)
    error = (0.05 + 2 * 0.525 + 4 * (high.confidence - 0.5)) / 7
    assert calibration_error([low, middle, high]) == pytest.approx(error)
    assert bin_confidences([make(1.0, 1)]) == [Bin(0.9, 1.0, 1.0, 1.0, 1)]
    assert math.isnan(calibration_error([]))


def test_a_threshold_is_judged_by_both_kinds_of_mistake() -> None:
    chosen = choose_at(RESULTS, 0.5)
    assert (chosen.false_refusals, chosen.false_answers) == (0.2, 1.0)
    assert choose_at(RESULTS, 0.93).false_answers == 0.5
    assert choose_at(RESULTS, 0.93).false_refusals == 0.8
    swept = sweep_thresholds(RESULTS)
    assert (swept[0].false_refusals, swept[0].false_answers) == (0.0, 1.0)
    assert (swept[-1].false_refusals, swept[-1].false_answers) == (1.0, 0.0)
    refusals = [one.false_refusals for one in swept]
    assert refusals == sorted(refusals)
    assert math.isnan(choose_at([make(0.5, 1)], 0.1).false_answers)


def test_recall_grows_with_k() -> None:
    assert recalls(RESULTS, 3) == [0.4, 0.6, 0.8]
    assert all(math.isnan(share) for share in recalls([make(0.5, 0, inside=False)], 2))


def test_the_surest_wrong_answer_comes_first_and_right_ones_do_not() -> None:
    found = [result.confidence for result in find_mistakes(RESULTS)]
    assert found == [0.93, 0.91, 0.05]
    assert len(find_mistakes(RESULTS, 1)) == 1
    misled = make(0.4, 7, "ask")
    assert find_mistakes([misled, make(0.4, 3, "ask")]) == [misled]


def test_an_id_that_no_base_answers_is_refused() -> None:
    gap = Pair("g", "gap?", "", "en")
    bases = [Base("b", (PAIR, gap))]
    case = Case("q", "en", ("a",), "plain", "report")
    check_cases([case], bases)
    for expect, language in ((("g",), "en"), (("a",), "zh")):
        with pytest.raises(InputError, match="expects the pair"):
            check_cases([Case("q", language, expect, "plain", "report")], bases)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no test question"):
        check_cases([], bases)


def test_points_are_drawn_where_their_values_are() -> None:
    series = Series("<one>", [(0, 0), (1, 1)], [4, 4], [(0.5, 0.5, "here")])
    drawn = draw(Chart("Title", "x", "y", [series], steps=2))
    path = re.search(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" stroke="#', drawn)
    assert path
    x0, y0, x1, y1 = map(float, path.groups())
    assert x1 > x0
    assert y1 < y0, "up is up"
    mark = re.search(r'cx="([\d.]+)" cy="([\d.]+)" r="5"', drawn)
    assert mark
    assert (float(mark[1]), float(mark[2])) == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=0.1)  # fmt: skip
    assert "&lt;one&gt;" in drawn
    assert draw(Chart("Empty", "x", "y", [Series("none", [])])).count("<circle") == 0


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_the_page_escapes_what_it_shows_and_lives_with_what_is_missing() -> None:
    inside = [make(0.5, 0, "refusal")]
    result = describe(inside, [Base("b", (PAIR,))], SimpleNamespace(fusion={}), "by <i>hand</i>")  # type: ignore[arg-type]
    assert result["figures"]["en"]["all"]["false_answers"] is None
    assert tabulate(inside)["en"]["all"]["false_answers"] != 0
    page = write_page(result)
    assert "by &lt;i&gt;hand&lt;/i&gt;" in page
    assert "What is &lt;b&gt;a&lt;/b&gt;?" in page
    assert "nan" not in page.replace("renaming", "")
    tags = Tags()
    tags.feed(page)
    assert tags.seen.count("svg") == 3
    assert "script" not in tags.seen
