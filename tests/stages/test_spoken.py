"""What of a model's answer is spoken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.types import Language
from visavis.stages.responders.plain_text import CODE_LEFT_OUT, PlainText
from visavis.stages.responders.spoken import MAX_REPEATS, Ending, SpokenText


def speak(*pieces: str, language: Language = "en", ending: Ending = "stop", **options: int) -> str:
    spoken = SpokenText(language, **options)  # type: ignore[arg-type]
    return "".join(map(spoken.feed, pieces)) + spoken.flush(ending)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<think>\nLet me see.\n</think>\n\nYes.", "Yes."),
        ("Yes. <thinking>Or </think> no?</Thinking>So.", "Yes.\nSo."),
        ("[THINK]a[/THINK]b ◁think▷c◁/think▷d <!-- e -->f", "b d f"),
        ("the end.</think>Yes.<|im_end|></s>", "the end.Yes."),
        ("It is **very** *nice*, ___really___ ~~not~~ `so`.", "It is very nice, really not so."),
        (
            "3 * 4 = 12, 3*4, 2**8, snake_case, 3~5, a<b, c > d",
            "3 * 4 = 12, 3*4, 2**8, snake_case, 3~5, a<b, c > d",
        ),
        ("# Fees\n\n## What you pay:\nNothing", "Fees.\nWhat you pay:\nNothing"),
        ("# 费用\n\n免费。", "费用。\n免费。"),
        ("- one\n* two!\n  + **three**\n• four\n- [x] five", "one.\ntwo!\nthree.\nfour.\nfive."),
        ("1. Go\n2) Pay.", "1. Go.\n2) Pay."),
        ("> Quoted\n> text", "Quoted\ntext"),
        ("Above\n\n---\n\n***\nBelow\n===", "Above\nBelow"),
        ("-5 degrees\n--verbose", "-5 degrees\n--verbose"),
        ("| Name | Fee |\n|:---|---:|\n| ID | **30** |", "Name, Fee.\nID, 30."),
        ("| 证件 | 费用 |\n|---|---|\n| 身份证 | 20元 |", "证件，费用。\n身份证，20元。"),
        ('See [the **page**](https://a.org/b_(c) "t") now.', "See the page now."),
        ("![A map](m.png) [one][1], [2] and[^3].\n[1]: https://a.org", "A map one, [2] and."),
        (
            "Go to https://www.gov.example/a/b?c=d_e, or <http://b.org/x>.",
            "Go to gov.example, or b.org.",
        ),
        ("请看https://www.gov.cn/a。好", "请看gov.cn。\n好"),
        ("```text\nHello\n```\nBye", "Hello\nBye"),
        (r"\*not\* \(x\) &amp; &lt;b&gt; &unknown", "*not* x & <b> &unknown"),
        ("Hi <b>you</b><br/>there <unknown>", "Hi you\nthere <unknown>"),
        ("Hi😀there 👨‍👩‍👧, 5️⃣\x07 30 °C\u200b.", "Hi there , 5 30 °C."),
        ("a  \t b \r\n\n\n c", "a b\nc"),
    ],
)
def test_what_is_written_and_what_is_said(written: str, said: str) -> None:
    assert speak(written) == said
    assert speak(*written) == said


def test_code_is_left_out_and_that_is_said() -> None:
    text = "Do this:\n```python\n# x\nprint('a')\n```\nThat is all."
    assert speak(*text) == f"Do this:\n{CODE_LEFT_OUT['en']}\nThat is all."
    text = "这样：\n```sh\nls\n```"
    assert speak(text, language="zh") == f"这样：\n{CODE_LEFT_OUT['zh']}"


def test_reasoning_whose_beginning_is_in_the_prompt() -> None:
    assert speak("I must think.", "</thi", "nk>\nYes.", thinking=True) == "Yes."


def test_no_more_is_held_back_than_may_be_markup() -> None:
    plain = PlainText()
    given = [
        plain.feed(piece)
        for piece in ("Hello", " *", "w", "orld", "* <", "3 and <thi", "s>. ", "x")
    ]
    assert given == ["Hello", "", " w", "orld", "", " <3 and", " <this>.", " x"]


def test_sentences_are_given_when_they_are_known_to_have_ended() -> None:
    spoken = SpokenText("zh")
    assert [spoken.feed(c) for c in "好。”请"] == ["", "", "", "好。”\n"]
    spoken = SpokenText("en")
    given = [spoken.feed(c) for c in ("Mr. Fox pays 3.5 ", "euros. ", "e", " now. ", "Then")]
    assert given == ["", "", "", "", "Mr. Fox pays 3.5 euros. e now.\n"]


def test_a_long_sentence_is_given_as_it_comes() -> None:
    spoken = SpokenText("zh")
    words = "".join(chr(0x4E00 + n) for n in range(90))
    given = [spoken.feed(c) for c in words]
    assert given[:60] == [""] * 60
    assert given[60] == words[:61]
    assert given[61:] == list(words[61:])
    assert spoken.flush("length") == ""


@pytest.mark.parametrize(
    ("text", "ending", "said"),
    [
        ("One. Two", "length", "One.\n"),
        ("One. Two.", "length", "One.\nTwo."),
        ("One", "length", "One"),
        ("One. Two", "cut", "One.\nTwo"),
        ("One. Two <thi", "cut", "One.\nTwo"),
    ],
)
def test_how_it_ends(text: str, ending: Ending, said: str) -> None:
    assert speak(*text, ending=ending) == said


def test_the_same_sentence_over_and_over_ends_it() -> None:
    spoken = SpokenText("en")
    said = spoken.feed("Start. " + "I can help. You can ask! " * 9)
    assert spoken.ended
    assert said.count("I can help.") == MAX_REPEATS
    assert spoken.feed("More. ") == spoken.flush() == ""
    assert speak("No. Yes. " * 3).split() == ["No.", "Yes."] * 3


@pytest.mark.parametrize("run", ["哈", "a", "na ", "你好呀，"])
def test_a_run_ends_it(run: str) -> None:
    spoken = SpokenText("zh")
    said = spoken.feed("真的。" + run * 200 + "然后。再说。")
    assert spoken.ended
    assert said.startswith("真的。\n")
    assert len(said) < 100
    assert "然后" not in said


def test_a_limit_ends_it_at_a_sentence() -> None:
    spoken = SpokenText("en", max_characters=30)
    assert (
        spoken.feed("Twelve chars. Twelve again. And a third one. X")
        == "Twelve chars.\nTwelve again.\n"
    )
    assert spoken.ended
    assert len(speak("word, " * 99 + "end", max_characters=300)) <= 300


def test_nothing_was_spoken() -> None:
    for text in ("", "<think>x", "***", "😀 。 !", "---\n"):
        spoken = SpokenText("en")
        assert spoken.feed(text) + spoken.flush() == ""
        assert not spoken.has_spoken


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abcdefgh 你好吗，", min_size=1, max_size=30), min_size=1, max_size=8))
def test_plain_words_all_stay(lines: list[str]) -> None:
    text = "\n".join(lines)
    plain = PlainText()
    assert (plain.feed(text) + plain.flush()).split() == text.split()


MARKUP = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<thi",
        "nk>",
        "*",
        "**",
        "_",
        "`",
        "```",
        "```py",
        "~~",
        "~~~",
        "-",
        "+",
        "#",
        "##",
        ">",
        "|",
        "|---",
        "===",
        "---",
        "[",
        "]",
        "(",
        ")",
        "](",
        "![",
        "[x]",
        "[^1]",
        "[1]:",
        "http://a.bc/d",
        "https:",
        "h",
        "!",
        "1.",
        "3.",
        "。",
        "？",
        "...",
        ".",
        "”",
        "你好",
        "好",
        "哈",
        "a",
        "B",
        "Yes.",
        "Mr.",
        "said",
        "😀",
        "&amp;",
        "&",
        "\\",
        "<b>",
        "<br>",
        "<",
        "</",
        "<|",
        "|>",
        "<!--",
        "-->",
        "◁think▷",
        "◁/think▷",
        "[THINK]",
        "[/THINK]",
    ]
)
TEXTS = st.lists(st.one_of(MARKUP, st.sampled_from(["\n", " ", "\n\n", "\t"])), max_size=30).map(
    "".join
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(5, 80))
def test_any_pieces_give_the_same(text: str, sizes: list[int], limit: int) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    pieces.append(text[at:])
    for ending in ("stop", "length"):
        once = speak(text, max_characters=limit, ending=ending)
        assert speak(*pieces, max_characters=limit, ending=ending) == once
        assert speak(*text, max_characters=limit, ending=ending) == once


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_taken(text: str) -> None:
    said = speak(text)
    assert said == speak(*text)
    assert not {"\x00", "\r", "\u200b"} & set(said)
