"""What a recogniser wrote for other characters of the same sound."""

from __future__ import annotations

import pytest

from visavis.core.types import Transcript, Word
from visavis.knowledge.base import load_samples
from visavis.knowledge.sound_alikes import MOST_CHARACTERS, SoundAlikes

TEXTS = [
    "住房公积金怎么提取？",
    "公积金可以用来租房。请本人携带身份证到自助签注机办理旅游签注。",
    "护照过期了要换吗？ Passport, 2 copies.",
]


@pytest.fixture(scope="module")
def alikes() -> SoundAlikes:
    return SoundAlikes(TEXTS)


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("我想提取攻击金。", "我想提取公积金。"),
        ("旅游签住", "旅游签注"),
        # A word of Chinese is changed where what stands beside it tells.
        ("请本人鞋带身份证", "请本人携带身份证"),
        ("我的鞋带断了", "我的鞋带断了"),
        # What the base writes itself stays, and so does what it does not know.
        ("公积金和护照", "公积金和护照"),
        ("今天天气很好。", "今天天气很好。"),
        # Other tones are another sound.
        ("恭喜金", "恭喜金"),
        ("攻", "攻"),
        ("", ""),
        ("My 攻击金, please", "My 公积金, please"),
    ],
)
def test_what_sounds_the_same_is_written_as_the_base_writes_it(
    alikes: SoundAlikes, heard: str, meant: str
) -> None:
    assert alikes.repair(heard) == meant


def test_words_keep_their_times(alikes: SoundAlikes) -> None:
    words = (Word("提取", 0.1, 0.5), Word("攻击", 0.5, 0.9), Word("金", 0.9, 1.2))
    heard = Transcript("提取攻击金。", True, 0.1, 1.2, "zh", words)
    found = alikes.repair_transcript(heard)
    assert found.text == "提取公积金。"
    assert [(w.text, w.start, w.end) for w in found.words] == [
        ("提取", 0.1, 0.5),
        ("公积", 0.5, 0.9),
        ("金", 0.9, 1.2),
    ]
    assert alikes.repair_transcript(found) is found
    # Words that are not those of the text stay as they are.
    odd = Transcript("攻击金", True, 0.0, 1.0, "zh", (Word("别的", 0.0, 1.0),))
    assert alikes.repair_transcript(odd).words == odd.words


def test_wordings_of_the_base_stay_as_they_are() -> None:
    texts = [text for base in load_samples() for text in base.texts("zh")]
    alikes = SoundAlikes(texts)
    assert len(texts) > 200
    assert all(alikes.repair(text) == text for text in texts)


def test_huge_bases_take_bounded_memory() -> None:
    filler = "甲乙丙丁" * (MOST_CHARACTERS // 4)
    assert SoundAlikes([*TEXTS, filler, "居住证"]).repair("攻击金居注证") == "公积金居注证"


def test_nothing_known_changes_nothing() -> None:
    assert SoundAlikes([]).repair("攻击金") == "攻击金"
