from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from visavis.core.types import EMOTIONS, Emotion, Floats, Picture
from visavis.evaluation.emotion_shown import (
    EmotionClassifier,
    ShownEmotion,
    emotion_shown,
    judge_units,
)
from visavis.models.common.units import ARKIT_UNITS, UNIT_INDEX
from visavis.models.puppet.emotions import emotion_units

CLASSES: tuple[Emotion, ...] = ("neutral", "happy", "sad")
FACE = np.zeros((478, 2), np.float32)


class Reader:
    """Reads the emotion off the picture's brightness."""

    classes: Sequence[Emotion] = CLASSES

    def __init__(self) -> None:
        self.judged = 0

    def classify(self, picture: Picture, landmarks: Floats) -> Floats:
        self.judged += 1
        answer = np.full(3, 0.1, np.float32)
        answer[int(picture.mean())] = 0.8
        return answer


def units_of(**moved: float) -> Floats:
    units = np.zeros((1, len(ARKIT_UNITS)), np.float32)
    for name, value in moved.items():
        units[0, UNIT_INDEX[name]] = value
    return units


def test_shares_by_hand() -> None:
    rows = np.array(
        [[0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [np.nan] * 3],
        np.float32,
    )
    figures = emotion_shown(rows, CLASSES, "happy")
    assert figures.share == pytest.approx(2 / 4)
    assert figures.probability == pytest.approx((0.7 + 0.3 + 0.8 + 0.2) / 4)
    assert (figures.shown, figures.frames) == ("happy", 4)
    assert emotion_shown(rows, CLASSES, "sad").share == pytest.approx(1 / 4)


def test_what_cannot_be_told_is_nan() -> None:
    rows = np.array([[0.2, 0.7, 0.1]], np.float32)
    unknown = emotion_shown(rows, CLASSES, "contempt")
    assert np.isnan([unknown.share, unknown.probability]).all()
    assert unknown.shown == "happy"
    nobody = ShownEmotion(Reader(), "happy").value()
    assert (nobody.shown, nobody.frames) == (None, 0)
    assert np.isnan(nobody.share)


def test_each_fifth_frame_is_judged() -> None:
    reader: EmotionClassifier = Reader()
    watch = ShownEmotion(reader, "sad")
    for frame in range(20):
        watch.add(np.full((8, 8, 3), 2 if frame < 11 else 1, np.uint8), FACE)
        watch.add(np.zeros((8, 8, 3), np.uint8), np.full((478, 2), np.nan, np.float32))
    figures = watch.value()
    assert figures.frames == 4
    assert figures.share == pytest.approx(3 / 4)
    assert figures.probability == pytest.approx((3 * 0.8 + 0.1) / 4)


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("intensity", [0.5, 1])
def test_emotions_of_the_puppet_are_told_apart(emotion: Emotion, intensity: float) -> None:
    judged = judge_units(np.repeat(emotion_units(emotion, intensity)[None], 30, 0))
    np.testing.assert_allclose(judged.sum(axis=1), 1, atol=1e-5)
    assert EMOTIONS[int(judged[15].argmax())] == emotion


def test_action_units_by_the_book() -> None:
    # Faces that the puppet's table does not know, by action units alone.
    book: dict[Emotion, Floats] = {
        "happy": units_of(mouthSmileLeft=0.9, mouthSmileRight=0.8, cheekSquintLeft=0.4, cheekSquintRight=0.4),
        "angry": units_of(browDownLeft=0.8, browDownRight=0.8, eyeSquintLeft=0.6, eyeSquintRight=0.6, mouthPressLeft=0.5, mouthPressRight=0.5),
        "sad": units_of(browInnerUp=0.5, mouthFrownLeft=0.6, mouthFrownRight=0.6),
        "surprised": units_of(browInnerUp=0.8, browOuterUpLeft=0.7, browOuterUpRight=0.7, eyeWideLeft=0.5, eyeWideRight=0.5),
        "contempt": units_of(mouthSmileRight=0.6, mouthDimpleRight=0.5),
        "neutral": units_of(browInnerUp=0.05, jawOpen=0.6, mouthFunnel=0.4),
    }  # fmt: skip
    for emotion, units in book.items():
        assert EMOTIONS[int(judge_units(units)[0].argmax())] == emotion


def test_speech_and_the_face_at_rest_are_taken_off() -> None:
    # Lips stretch for a tenth of a second at a time; the smile beneath stays.
    smile = np.repeat(
        units_of(
            mouthSmileLeft=0.6, mouthSmileRight=0.6, cheekSquintLeft=0.3, cheekSquintRight=0.3
        ),
        75,
        0,
    )
    for name in ("mouthStretchLeft", "mouthStretchRight"):
        smile[::6, UNIT_INDEX[name]] = 0.9
    judged = judge_units(smile)
    assert (judged.argmax(axis=1) == EMOTIONS.index("happy")).all()
    # A face whose brows are low of themselves is not angry for that.
    scowl = np.repeat(
        units_of(browDownLeft=0.5, browDownRight=0.5, eyeSquintLeft=0.4, eyeSquintRight=0.4), 30, 0
    )
    assert EMOTIONS[int(judge_units(scowl)[0].argmax())] == "angry"
    assert EMOTIONS[int(judge_units(scowl, rest=scowl[0])[0].argmax())] == "neutral"


def test_frames_without_a_face_stay_unknown() -> None:
    units = np.repeat(emotion_units("happy", 1)[None], 30, 0)
    units[10:20] = np.nan
    judged = judge_units(units)
    assert np.isnan(judged[10:20]).all()
    np.testing.assert_allclose(judged[20:], judged[:10], atol=1e-6)
    figures = emotion_shown(judged, EMOTIONS, "happy")
    assert (figures.share, figures.frames) == (1, 20)
