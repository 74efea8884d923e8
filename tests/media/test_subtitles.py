import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.core.errors import OutputUnwritable
from visavis.core.types import Mark, Word
from visavis.media.subtitles import Cue, make_cues, words_from_marks, write_srt, write_vtt

LONG_ZH = (
    "办理居民身份证补领手续，请携带户口簿到户籍所在地派出所，填写申请表并采集指纹。"
    "一般二十个工作日内可以领取新证，急需的可以申请临时身份证。"
)
LONG_EN = (
    "To replace a lost identity card, take your residence booklet to the police station of the"
    " district where you are registered, fill in the form, and have your fingerprints taken."
)


def width(line):
    return sum(42 / 18 if ord(c) > 0x2E80 else 1 for c in line)


@pytest.mark.parametrize("text", [LONG_ZH, LONG_EN, LONG_EN + LONG_ZH, "你好。", "Hello"])
def test_lines_are_short_and_nothing_is_lost(text):
    cues = make_cues(text, 1.0, 13.0)
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert max(width(line) for line in lines) <= 42 + 1e-6
    assert all(len(cue.text.split("\n")) <= 2 for cue in cues)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert cues[0].start_s == 1.0
    assert cues[-1].end_s == pytest.approx(13.0)
    for before, after in itertools.pairwise(cues):
        assert before.start_s < before.end_s <= after.start_s + 1e-9


def test_breaks_are_at_punctuation_and_between_words():
    lines = [line for cue in make_cues(LONG_ZH, 0, 12) for line in cue.text.split("\n")]
    assert sum(line[-1] in "，。" for line in lines) >= len(lines) - 1
    assert not any(line[0] in "，。、" for line in lines)
    english = [line for cue in make_cues(LONG_EN, 0, 12) for line in cue.text.split("\n")]
    assert " ".join(english) == LONG_EN
    assert english[0].endswith(",")


def test_chinese_words_that_are_known_are_not_torn():
    text = "请您携带户口簿到户籍所在地派出所申请办理居民身份证补领手续"
    words = [
        "请您",
        "携带",
        "户口簿",
        "到",
        "户籍",
        "所在地",
        "派出所",
        "申请",
        "办理",
        "居民",
        "身份证",
        "补领",
        "手续",
    ]
    timed = [Word(w, i * 0.5, i * 0.5 + 0.5) for i, w in enumerate(words)]
    cues = make_cues(text, 0, 6.5, timed)
    borders, place = set(), 0
    for word in words:
        place += len(word)
        borders.add(place)
    place = 0
    for cue in cues:
        for line in cue.text.split("\n"):
            place += len(line)
            assert place in borders, line
    pieces = {w.text: w for cue in cues for w in cue.words}
    assert pieces["户口簿"].start == pytest.approx(1.0)
    assert pieces["派出所"].end == pytest.approx(3.5)


def test_word_times_come_from_the_marks_and_gaps_are_filled():
    words = [Word("Take", 0.1, 0.4), Word("your", 0.4, 0.6), Word("booklet", 2.0, 2.5)]
    (cue,) = make_cues("Take your blue booklet.", 0.0, 3.0, words)
    times = {w.text.strip(): w for w in cue.words}
    assert cue.start_s == pytest.approx(0.1)
    assert times["your"].start == pytest.approx(0.4)
    assert 0.6 <= times["blue"].start <= times["blue"].end <= 2.0
    assert times["booklet."].start == pytest.approx(2.0)


def test_spoken_forms_that_are_not_in_the_text_do_not_spoil_the_rest():
    words = [
        Word("共", 0.0, 0.2), Word("二十", 0.2, 0.6), Word("三", 0.6, 0.8),
        Word("个", 0.8, 1.0), Word("工作日", 1.0, 1.8),
    ]  # fmt: skip
    (cue,) = make_cues("共23个工作日", 0.0, 1.8, words)
    times = {w.text: w for w in cue.words}
    assert times["工作日"].start == pytest.approx(1.0)
    assert times["23"].start == pytest.approx(0.2)


@settings(deadline=None, max_examples=150)
@given(
    st.text(
        st.one_of(
            st.sampled_from(list('，。！？,. "“”()（）<>&\n-身份证办理abcXYZ019%')), st.characters()
        ),
        max_size=120,
    ),
    st.lists(st.tuples(st.text(max_size=4), st.floats(0, 10)), max_size=6),
)
def test_any_text_gives_ordered_cues_and_keeps_every_character(text, spoken):
    words = [Word(t, s, s + 0.1) for t, s in sorted(spoken, key=lambda item: item[1])]
    cues = make_cues(text, 0.0, 10.0, words)
    kept = "".join(c.text for c in cues)
    assert re.sub(r"[\s\x00-\x1f\x7f]", "", kept) == re.sub(r"[\s\x00-\x1f\x7f]", "", text)
    end = 0.0
    for cue in cues:
        assert end - 1e-9 <= cue.start_s <= cue.end_s <= 10.0 + 1e-9
        end = cue.end_s
        assert "".join(w.text for w in cue.words) == cue.text.replace("\n", "")


def test_marks_become_words():
    marks = [
        Mark("word", "你好", 0, 12000),
        Mark("phoneme", "n", 0, 500),
        Mark("word", "吗", 12000, 24000),
    ]
    assert words_from_marks(marks, 24000, 2.0) == (Word("你好", 2.0, 2.5), Word("吗", 2.5, 3.0))


CUES = [
    Cue(0.0, 1.5, "Tom & Jerry <3", (Word("Tom ", 0, 0.5), Word("& ", 0.5, 0.8), Word("Jerry ", 0.8, 1.2), Word("<3", 1.2, 1.5))),
    Cue(1.6, 3661.0425, "一 --> 二\n三"),
]  # fmt: skip


def test_srt(tmp_path):
    write_srt(tmp_path / "字幕.srt", CUES)
    assert (tmp_path / "字幕.srt").read_text("utf-8") == (
        "1\n00:00:00,000 --> 00:00:01,600\nTom & Jerry <3\n\n"
        "2\n00:00:01,600 --> 01:01:01,042\n一 → 二\n三\n"
    )


def test_vtt(tmp_path):
    write_vtt(tmp_path / "a.vtt", CUES)
    assert (tmp_path / "a.vtt").read_text("utf-8") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.600\n"
        "Tom <00:00:00.500>&amp; <00:00:00.800>Jerry <00:00:01.200>&lt;3\n\n"
        "00:00:01.600 --> 01:01:01.042\n一 --&gt; 二\n三\n"
    )


def test_vtt_lines_and_times_of_a_long_sentence(tmp_path):
    cues = make_cues(LONG_ZH, 0.0, 12.0) + make_cues(LONG_EN, 12.0, 24.0)
    write_vtt(tmp_path / "a.vtt", cues)
    text = (tmp_path / "a.vtt").read_text("utf-8")
    blocks = text.strip().split("\n\n")[1:]
    assert len(blocks) == len(cues)
    for block, cue in zip(blocks, cues, strict=True):
        head, *body = block.split("\n")
        plain = [re.sub(r"<[\d:.]+>", "", line).rstrip() for line in body]
        assert plain == cue.text.split("\n")
        stamps = re.findall(r"[\d:.]{12}", head)[:1] + re.findall(r"<([\d:.]+)>", "".join(body))
        assert stamps == sorted(set(stamps))
        assert stamps[-1] < re.findall(r"[\d:.]{12}", head)[1]


def test_overlaps_are_cut_and_short_pauses_bridged(tmp_path):
    write_srt(
        tmp_path / "a.srt",
        [Cue(2.0, 3.0, "b"), Cue(0.0, 2.5, "a"), Cue(3.2, 4, "c"), Cue(6, 7, "d")],
    )
    times = re.findall(r"(\S+) --> (\S+)", (tmp_path / "a.srt").read_text())
    assert [(a[6:], b[6:]) for a, b in times] == [
        ("00,000", "02,000"), ("02,000", "03,200"), ("03,200", "04,000"), ("06,000", "07,000"),
    ]  # fmt: skip


def test_nothing_said_gives_no_cue_and_bad_places_are_refused(tmp_path):
    assert make_cues("  \n ", 0, 1) == []
    write_vtt(tmp_path / "a.vtt", [])
    assert (tmp_path / "a.vtt").read_text() == "WEBVTT\n"
    with pytest.raises(OutputUnwritable):
        write_srt(tmp_path / "none" / "a.srt", CUES)
