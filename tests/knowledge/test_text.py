import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.core.errors import TextUnusable
from visavis.knowledge.text import clean_question, reduce_question, split_sentences


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("身份證遺失怎麼補辦", "身份证遗失怎么补办"),
        ("ID卡怎么办", "ID卡怎么办"),
        ("身份证\x00丢了\x07😀怎么办\n\t?", "身份证 丢了 怎么办 ?"),
        ("  lost   my\u200bpassport ", "lost my passport"),
        ("a\ud83d b", "a b"),
    ],
)
def test_questions_are_cleaned(given_text: str, wanted: str) -> None:
    assert clean_question(given_text) == wanted


@pytest.mark.parametrize("text", ["", "   ", "😀😀", "???", "\x00\x01", "。。。", "\u200b"])
def test_a_question_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(TextUnusable, match="no word"):
        clean_question(text)


def test_ten_megabytes_are_refused_at_once() -> None:
    began = time.perf_counter()
    with pytest.raises(TextUnusable, match="10,485,760 characters"):
        clean_question("问" * (10 << 20))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("你好,请问一下,护照怎么办?谢谢", "护照怎么办?"),
        ("嗯,我想问一下身份证丢了怎么办", "身份证丢了怎么办"),
        ("Hello, could you please tell me where I can renew my passport? Thanks!",
         "where I can renew my passport"),
        ("uh so um I lost my passport", "I lost my passport"),
        ("你好", "你好"),
        ("谢谢你", "谢谢你"),
        ("Hello", "Hello"),
        ("thanks", "thanks"),
        ("HOW DO I RENEW MY PASSPORT", "how do i renew my passport"),
        ("ID card", "ID card"),
    ],
)  # fmt: skip
def test_courtesies_go_unless_they_are_all(question: str, kept: str) -> None:
    assert reduce_question(question) == kept


def test_courtesies_go_with_the_marks_of_either_width() -> None:
    for text in ("您好！请问：身份证丢了怎么办？谢谢！", "您好!请问:身份证丢了怎么办?谢谢!"):
        assert reduce_question(text).rstrip("？?") == "身份证丢了怎么办"


@given(st.text(max_size=300))
def test_sentences_joined_are_the_text(text: str) -> None:
    assert "".join(split_sentences(text)) == text


def test_sentences_are_cut_in_both_scripts() -> None:
    assert split_sentences("您好。请问?好!") == ["您好。", "请问?", "好!"]
    assert split_sentences("带什么？户口簿！要原件；复印件不收。") == [
        "带什么？", "户口簿！", "要原件；", "复印件不收。",
    ]  # fmt: skip
    assert split_sentences("真的吗？！“当然！”（是吗？）好") == [
        "真的吗？！",
        "“当然！”",
        "（是吗？）",
        "好",
    ]
    text = "It costs 2.6 percent. Call 12345. Done"
    assert split_sentences(text) == ["It costs 2.6 percent. ", "Call 12345. ", "Done"]


@given(st.text(max_size=400))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    try:
        cleaned = clean_question(text)
    except TextUnusable:
        return
    assert cleaned
    assert reduce_question(cleaned)
    assert "\x00" not in cleaned
