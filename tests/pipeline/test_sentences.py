from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.pipeline.sentences import MAX_HAN, MAX_LATIN, SentenceSplitter, split_sentences

CASES = [
    ("你好。请坐！要喝水吗？", ["你好。", "请坐！", "要喝水吗？"]),
    ("带身份证；带户口簿。", ["带身份证；", "带户口簿。"]),
    ("请稍等……马上就好。", ["请稍等……", "马上就好。"]),
    ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
    ("（见附件。）谢谢", ["（见附件。）", "谢谢"]),
    ("真的吗？！太好了!!!", ["真的吗？！", "太好了!!!"]),
    ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
    ("Dr. Smith met Mr. Jones. They talked.", ["Dr. Smith met Mr. Jones.", "They talked."]),
    ("It is 3.14, not 3. Right?", ["It is 3.14, not 3.", "Right?"]),
    ("It costs $1,000.50 today.", ["It costs $1,000.50 today."]),
    ("The U.S. government said so.", ["The U.S. government said so."]),
    ("He lives in the U.S. She does not.", ["He lives in the U.S.", "She does not."]),
    ("Use forms, e.g. A4, i.e. paper. Good.", ["Use forms, e.g. A4, i.e. paper.", "Good."]),
    ("Open from 9 a.m. to 5 p.m. on weekdays.", ["Open from 9 a.m. to 5 p.m. on weekdays."]),
    ("We close at 5 p.m. Come early.", ["We close at 5 p.m.", "Come early."]),
    ("J. K. Rowling wrote it. Yes.", ["J. K. Rowling wrote it.", "Yes."]),
    ("See www.gov.cn/a.html?x=1. Then call.", ["See www.gov.cn/a.html?x=1.", "Then call."]),
    ("网址是www.gov.cn。请访问。", ["网址是www.gov.cn。", "请访问。"]),
    ("“Why?” he asked. “Because!” she said.", ["“Why?” he asked.", "“Because!” she said."]),
    ('"Stop!" Then silence.', ['"Stop!"', "Then silence."]),
    ("1. Bring the card.\n2. Pay the fee.", ["1. Bring the card.", "2. Pay the fee."]),
    ("需要材料：\n1.身份证\n2.照片", ["需要材料：", "1.身份证", "2.照片"]),
    ("- one\n- two\n* three", ["one", "two", "three"]),
    ("# Title\n\n**Bold** text.", ["Title", "Bold text."]),
    ("a line that\nwas wrapped. Next", ["a line that was wrapped.", "Next"]),
    ("你好😀世界👨‍👩‍👧。好\x00的\x07。", ["你好 世界 。", "好 的 。"]),
    ("مرحبا بك. شكرا", ["مرحبا بك.", "شكرا"]),
    ("你好.再见.", ["你好.", "再见."]),
    ("No. 5 is here. No. It is not.", ["No. 5 is here.", "No. It is not."]),
    ("气温25℃，价格￥5。好", ["气温25℃，价格￥5。", "好"]),
    ("", []),
    ("😀😀", []),
    ("……！？", []),
    (" \n\t\n ", []),
    ("no end", ["no end"]),
]


@pytest.mark.parametrize(("text", "sentences"), CASES)
def test_sentences(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(("text", "sentences"), CASES)
def test_character_by_character_equals_whole(text, sentences):
    splitter = SentenceSplitter()
    out = [s for char in text for s in splitter.feed(char)]
    assert out + splitter.flush() == sentences


ALPHABET = "你好。！？；…，、ab AB.,!?'\"”（）()13\n😀-*: eg"


@settings(max_examples=300, deadline=None)
@given(st.text(ALPHABET, max_size=300), st.lists(st.integers(0, 300), max_size=12))
def test_chunked_equals_whole(text, cuts):
    splitter = SentenceSplitter()
    edges = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    out = []
    for start, end in itertools.pairwise(edges):
        out += splitter.feed(text[start:end])
    assert out + splitter.flush() == split_sentences(text)


@settings(max_examples=200, deadline=None)
@given(st.text(ALPHABET, max_size=600))
def test_nothing_sayable_is_lost(text):
    kept = [c for c in "".join(split_sentences(text)) if c.isalnum()]
    assert kept == [c for c in text if c.isalnum()]


def test_a_sentence_comes_as_soon_as_the_next_begins():
    splitter = SentenceSplitter()
    assert splitter.feed("请带身份证。") == []
    assert splitter.feed("然") == ["请带身份证。"]


def test_long_sentences_are_cut_at_commas():
    text = "请您携带本人的身份证和户口簿原件，" * 12
    parts = split_sentences(text)
    assert "".join(parts) == text
    assert all(len(p) <= MAX_HAN + 1 and p.endswith("，") for p in parts)
    text = "bring the card and the 1,000 forms, " * 30
    parts = split_sentences(text)
    assert " ".join(parts) == text.strip()
    assert all(len(p) <= MAX_LATIN + 1 and p.endswith("forms,") for p in parts)


def test_long_sentences_without_commas_are_cut_between_words():
    parts = split_sentences("word " * 200)
    assert all(len(p) <= MAX_LATIN and set(p.split()) == {"word"} for p in parts)
    assert max(map(len, split_sentences("好" * 500))) <= MAX_HAN + 1


@pytest.mark.parametrize(
    "unit",
    ["好", "a", "好。", "a. ", "，", ".", "\n", "😀", " ", "e.g. ", '"', "a.  " + " " * 99_000],
)
def test_a_hundred_thousand_characters_take_linear_time(unit):
    text = unit * (100_000 // len(unit))
    began = time.perf_counter()
    split_sentences(text)
    whole = time.perf_counter() - began
    splitter = SentenceSplitter()
    for start in range(0, len(text), 50):
        splitter.feed(text[start : start + 50])
    splitter.flush()
    assert whole < 3
    assert time.perf_counter() - began - whole < 6


def test_a_splitter_begins_anew_after_flush():
    splitter = SentenceSplitter()
    splitter.feed("half a sen")
    assert splitter.flush() == ["half a sen"]
    assert splitter.feed("New. Next") == ["New."]
