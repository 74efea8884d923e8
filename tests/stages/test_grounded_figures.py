"""Figures of texts, marks of citations, and how far a sentence comes from its passages."""

import random

import pytest

from visavis.stages.responders.figures import Figure, find_figures
from visavis.stages.responders.grounding_check import (
    Evidence,
    MarkStream,
    attribute_sentence,
    check_sentence,
    find_addresses,
    normalise_marks,
    take_marks,
)

CARD = Evidence(
    (
        "补办社保卡的费用是二十元，五个工作日可以领取。咨询电话010-1234 5678，网址 www.card.example。",
        "图书馆周一闭馆，平时上午九点到下午五点半开放。",
    ),
    "补办社保卡多少钱？",
    "zh",
)
POOL = Evidence(
    ("The pool opens at 6:30 am and closes at 9 pm. It costs twenty-five euros.",),
    "When does the pool open?",
    "en",
)


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("费用是二十元，五个工作日", {("20", "yuan"), ("5", "working day")}),
        ("２０元和20 yuan", {("20", "yuan")}),
        ("一千二百万元", {("12000000", "yuan")}),
        ("1.2万元", {("12000", "yuan")}),
        ("一万二", {("12000", "")}),
        ("两百零六人", {("206", "")}),
        ("三点五公里", {("3.5", "kilometre")}),
        ("一般来说，统一办理，一个人", set()),
        ("一天", {("1", "day")}),
        ("2024年3月5日", {("2024", "year"), ("3", "month"), ("5", "day")}),
        ("March 5, 2024", {("2024", ""), ("3", ""), ("5", "")}),
        ("上午九点到下午五点半", {("9h", ""), ("17h", ""), ("30m", "")}),
        ("9:00-17:30", {("9h", ""), ("17h", ""), ("30m", "")}),
        ("周一至周五", {("d0", ""), ("d4", "")}),
        ("Sundays", {("d6", "")}),
        ("two hundred and six people", {("206", "")}),
        ("one of us", set()),
        ("one day", {("1", "day")}),
        ("1,200 dollars", {("1200", "dollar")}),
        ("电话010-1234 5678", {("#01012345678", "")}),
        ("20%", {("20", "percent")}),
        ("", set()),
    ],
)
def test_figures(text: str, figures: set[tuple[str, str]]) -> None:
    assert find_figures(text) == {Figure(*figure) for figure in figures}


@pytest.mark.parametrize(
    "text", ["一" * 9_000, "9" * 9_000, "1,111" * 2_000, "亿" * 9_000, "1-" * 9]
)
def test_endless_figures_are_no_error(text: str) -> None:
    assert isinstance(find_figures(text), set)


def test_units_tell_figures_apart_where_both_have_one() -> None:
    assert Figure("5", "yuan").agrees(Figure("5"))
    assert not Figure("5", "yuan").agrees(Figure("5", "day"))
    assert not Figure("5").agrees(Figure("50"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("费用二十元[1]。请带证件[2][3]。", "费用二十元〔1〕。请带证件〔2〕〔3〕。"),
        ("It costs 20.[1] Bring it [2].", "It costs 20〔1〕. Bring it 〔2〕."),
        ("甲【1】。乙[1, 2]！丙 [^3^] 丁【4†来源】", "甲〔1〕。乙〔1,2〕！丙 〔3〕 丁〔4〕"),
        ("no marks [here] (1)", "no marks [here] (1)"),
    ],
)
def test_marks_come_before_the_stop_however_they_are_cut(text: str, written: str) -> None:
    assert normalise_marks(text) == written
    draw = random.Random(1)
    for _ in range(200):
        stream, said, at = MarkStream(), "", 0
        while at < len(text):
            step = draw.randint(1, 6)
            said += stream.feed(text[at : at + step])
            at += step
        assert said + stream.flush() == written


def test_marks_are_taken_off() -> None:
    assert take_marks("费用二十元〔1〕〔3,2〕。") == ("费用二十元。", {1, 2, 3})
    assert take_marks("It costs 20 〔2〕.") == ("It costs 20.", {2})


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("补办社保卡要20元。", None),
        ("补办社保卡要二十块，5个工作日领取。", None),
        ("请拨打01012345678咨询电话。", None),
        ("咨询可以上www.card.example网址。", None),
        ("五天就能领取。", "figure"),
        ("补办社保卡要20美元。", "figure"),
        ("咨询电话010-1234 5679。", "figure"),
        ("咨询可以上www.cards.example网址。", "address"),
        ("领取社保卡后请立刻去银行存款并购买保险。", "support"),
        ("补办社保卡的费用不可以领取。", "negation"),
    ],
)
def test_what_a_sentence_says_is_compared_with_its_passage(said: str, fault: str | None) -> None:
    assert check_sentence(said, {1}, CARD) == fault


def test_times_agree_on_either_clock() -> None:
    assert check_sentence("The pool opens at 6:30 and closes at 21:00.", {1}, POOL) is None
    assert check_sentence("The pool closes at 9 and costs 25 euros.", {1}, POOL) is None
    assert check_sentence("The pool closes at 8 pm.", {1}, POOL) == "figure"


def test_a_passage_that_was_not_named_counts_where_it_holds_nearly_all() -> None:
    assert attribute_sentence("图书馆周一闭馆。", {1}, CARD) == ({2}, None)
    assert attribute_sentence("图书馆周一闭馆。", set(), CARD) == ({2}, None)
    assert attribute_sentence("图书馆周二闭馆。", {2}, CARD) == (set(), "figure")
    assert attribute_sentence("请您稍等一会儿再来看看。", set(), CARD) == (set(), "citation")
    assert check_sentence("图书馆周一闭馆。", {3}, CARD) == "citation"


def test_addresses() -> None:
    text = "见 https://a.example/x?y=1。或 mail@b.org, c.gov.cn；no e.g. or 3.5 or v1.2"
    assert find_addresses(text) == ["https://a.example/x?y=1", "mail@b.org", "c.gov.cn"]
