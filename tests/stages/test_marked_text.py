"""Marks of emotion in a model's text: told, never said."""

import pytest

from visavis.core.types import Emotion
from visavis.stages.mood.marks import drop_marks
from visavis.stages.responders.marked_text import MarkedText
from visavis.stages.responders.spoken import SpokenText

CASES: list[tuple[str, list[tuple[str, Emotion | None]]]] = [
    ("[happy] 太好了！[sad]很抱歉。好的。", [("太好了！", "happy"), ("很抱歉。", "sad"), ("好的。", None)]),
    ("[happy]\n太好了。带身份证来。", [("太好了。", "happy"), ("带身份证来。", None)]),
    ("（开心）太好了。", [("太好了。", "happy")]),
    ("<emotion=sad>抱歉。</emotion>好。", [("抱歉。", "sad"), ("好。", None)]),
    ("恭喜您[happy]。再见。", [("恭喜您。", None), ("再见。", None)]),
    ("[1] is a note. (Monday) we open.", [("[1] is a note.", None), ("(Monday) we open.", None)]),
    ("[neutral] Bring it. [Surprised]Really?", [("Bring it.", "neutral"), ("Really?", "surprised")]),
    ("[happy]", []),
    ("[hap", []),
    ("[sad] " + "很长的一句话" * 15 + "。好。", [("很长的一句话" * 15 + "。", "sad"), ("好。", None)]),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), CASES)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_any_pieces_give_the_same(
    written: str, expected: list[tuple[str, Emotion | None]], step: int
) -> None:
    spoken, marked = SpokenText("zh"), MarkedText()
    pieces = []
    for start in range(0, len(written), step):
        pieces += marked.feed(spoken.feed(written[start : start + step]))
    pieces += marked.feed(spoken.flush()) + marked.flush()
    lines: list[tuple[str, Emotion | None]] = []
    fresh = True
    for piece in pieces:
        assert piece, "nothing empty is said"
        if fresh:
            lines.append(("", piece.emotion))
        assert piece.emotion == lines[-1][1], "a line has one emotion"
        lines[-1] = (lines[-1][0] + piece.strip("\n"), piece.emotion)
        fresh = piece.endswith("\n")
    assert lines == expected


def test_only_the_names_of_classes_are_dropped_within_a_sentence() -> None:
    assert drop_marks("好 [happy]。") == "好。"
    assert drop_marks("状态为【正常】，见[1]和[note]。") == "状态为【正常】，见[1]和[note]。"
