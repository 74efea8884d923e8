"""Whether a face shows the emotion that was asked for.

Told in two ways. A network that knows faces (`EmotionClassifier`, given by the caller) judges the
picture: prefer it, because it has nothing to do with what made the face. Without one, the 52 ARKit
units are compared with what psychology says an emotion moves (`judge_units`); the prototypes below
are not the table by which the puppet is driven, though both go back to the same action units.
Neither is a person's eye: the network sees little but smiles on faces that do not act, and the units
of MediaPipe hardly know a wrinkled nose, so that disgust reads as anger.

Sources: Ekman and Friesen, "EMFACS-7" (1983), and Matsumoto and Ekman, "Facial expression analysis",
Scholarpedia 3(5) (2008), for the action units of each emotion; contempt from Ekman and Heider (1988).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from visavis.core.types import EMOTIONS, FPS, Emotion, Floats, Picture
from visavis.models.common.units import UNIT_INDEX

EVERY = 5
"""Frames from one that is judged to the next: emotions last, and a network costs time."""
NEUTRAL_LENGTH = 0.25
"""Length of the vector of action units at which a face is as likely neutral as not."""
SHARPNESS = 12.0
"""By how much a likeness (a cosine) is multiplied before the softmax."""

# Action units as ARKit names them, without the side. The jaw (25, 26) is left out: speech moves it.
_ACTIONS: Mapping[int, str] = {
    1: "browInnerUp", 2: "browOuterUp", 4: "browDown", 5: "eyeWide", 6: "cheekSquint",
    7: "eyeSquint", 9: "noseSneer", 12: "mouthSmile", 14: "mouthDimple", 15: "mouthFrown",
    17: "mouthShrugLower", 20: "mouthStretch", 23: "mouthPress",
}  # fmt: skip
_ONE_SIDED = (12, 14)
"""What contempt does on one side of the face only."""
_PROTOTYPES: Mapping[Emotion, tuple[int, ...]] = {
    "happy": (6, 12),
    "sad": (1, 15, 17),
    "angry": (4, 7, 23),
    "surprised": (1, 2, 5),
    "fear": (1, 2, 4, 5, 20),
    "disgusted": (9, 15, 4),
}
"""Besides neutral, which moves nothing, and contempt, which is told by the difference of the sides."""


class EmotionClassifier(Protocol):
    """A network that knows the emotions of faces.

    Attributes:
        classes: What the columns of its answers mean.
    """

    classes: Sequence[Emotion]

    def classify(self, picture: Picture, landmarks: Floats) -> Floats:
        """Judge one face of an RGB uint8 (H, W, 3) by its landmarks (478, 2): (C,) that add up to 1."""


@dataclass(frozen=True, slots=True)
class EmotionFigures:
    """NaN where no face was judged, or the classifier does not know the emotion.

    Attributes:
        share: Of frames whose likeliest emotion is the one asked for, in [0, 1].
        probability: Mean probability of the one asked for, in [0, 1].
        shown: What the face shows most often; None where no face was judged.
        frames: That were judged.
    """

    share: float
    probability: float
    shown: Emotion | None
    frames: int


def emotion_shown(
    probabilities: Floats, classes: Sequence[Emotion], asked: Emotion
) -> EmotionFigures:
    """Compare what was seen with what was asked for.

    Args:
        probabilities: (T, C) of each judged frame; NaN rows do not count.
        classes: (C,) what the columns mean.
        asked: The emotion.
    """
    rows = probabilities[~np.isnan(probabilities).any(axis=1)]
    nan = float("nan")
    if not len(rows):
        return EmotionFigures(nan, nan, None, 0)
    top = rows.argmax(axis=1)
    shown = classes[int(np.bincount(top, minlength=len(classes)).argmax())]
    if asked not in classes:
        return EmotionFigures(nan, nan, shown, len(rows))
    column = list(classes).index(asked)
    return EmotionFigures(
        share=float(np.mean(top == column)),
        probability=float(rows[:, column].mean()),
        shown=shown,
        frames=len(rows),
    )


class ShownEmotion:
    """Takes frames one by one and has each fifth of them judged.

    Args:
        classifier: Who judges.
        asked: The emotion asked for.
        every: Frames from one that is judged to the next.
    """

    def __init__(self, classifier: EmotionClassifier, asked: Emotion, every: int = EVERY) -> None:
        self._classifier = classifier
        self._asked: Emotion = asked
        self._every = every
        self._seen = 0
        self._rows: list[Floats] = []

    def add(self, picture: Picture, landmarks: Floats) -> None:
        """Take the next frame.

        Args:
            picture: RGB uint8 (H, W, 3).
            landmarks: float32 (478, 2) pixels of it; NaN where no face was found, and not counted.
        """
        if np.isnan(landmarks).any():
            return
        if self._seen % self._every == 0:
            self._rows.append(self._classifier.classify(picture, landmarks))
        self._seen += 1

    def value(self) -> EmotionFigures:
        """Tell the figures of all frames so far."""
        count = len(self._classifier.classes)
        rows = np.stack(self._rows) if self._rows else np.zeros((0, count), np.float32)
        return emotion_shown(rows, self._classifier.classes, self._asked)


def judge_units(units: Floats, rest: Floats | None = None) -> Floats:
    """Judge a face by its ARKit units.

    Units are averaged over a second first: speech moves lips in tenths of a second, emotions stay.

    Args:
        units: float32 (T, 52) in [0, 1] at 25 fps, in the order of ``ARKIT_UNITS``; NaN rows stay so.
        rest: (52,) units of the same face when neutral, which are taken off. Give them where they
            are known: many faces at rest have brows that look angry, or lips that smile.

    Returns:
        float32 (T, 8) in the order of `EMOTIONS`; rows add up to 1.
    """
    calm = _average(units, FPS)
    if rest is not None:
        calm = calm - rest
    moved = np.maximum(calm, 0)
    columns = [_read(moved, name) for name in _ACTIONS.values()]
    uneven = [_unevenness(moved, _ACTIONS[action]) for action in _ONE_SIDED]
    # What only one side does is contempt's; what both do, less that, is everybody else's.
    for action, one_sided in zip(_ONE_SIDED, uneven, strict=True):
        columns[list(_ACTIONS).index(action)] -= one_sided / 2
    vectors = np.stack([*columns, *uneven], axis=1)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = (vectors / np.maximum(length, 1e-6)) @ _directions().T
    scores = np.exp(SHARPNESS * (likeness - likeness.max(axis=1, keepdims=True)))
    scores /= scores.sum(axis=1, keepdims=True)
    neutral = np.exp2(-length / NEUTRAL_LENGTH)
    judged = np.zeros((len(units), len(EMOTIONS)))
    judged[:, [EMOTIONS.index(emotion) for emotion in (*_PROTOTYPES, "contempt")]] = scores
    judged *= 1 - neutral
    judged[:, EMOTIONS.index("neutral")] = neutral[:, 0]
    return judged.astype(np.float32)


def _directions() -> npt.NDArray[np.float64]:
    """Unit vectors of the emotions but neutral, contempt last, over actions and one-sided actions."""
    width = len(_ACTIONS) + len(_ONE_SIDED)
    rows = []
    for actions in _PROTOTYPES.values():
        row = np.zeros(width)
        row[[list(_ACTIONS).index(action) for action in actions]] = 1
        rows.append(row)
    contempt = np.zeros(width)
    contempt[len(_ACTIONS) :] = 1
    vectors = np.stack([*rows, contempt])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)


def _read(units: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    """An action (T,), the mean of its sides."""
    sides = (name,) if name in UNIT_INDEX else (name + "Left", name + "Right")
    mean: npt.NDArray[np.float64] = units[:, [UNIT_INDEX[side] for side in sides]].mean(axis=1)
    return mean


def _unevenness(units: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    left, right = units[:, UNIT_INDEX[name + "Left"]], units[:, UNIT_INDEX[name + "Right"]]
    difference: npt.NDArray[np.float64] = np.abs(left - right)
    return difference


def _average(units: Floats, frames: int) -> npt.NDArray[np.float64]:
    """Moving mean of the rows that are no NaN; rows that are stay so."""
    seen = np.asarray(~np.isnan(units).any(axis=1))
    filled = np.where(seen[:, None], units, 0).astype(np.float64)
    before, after = frames // 2, frames - frames // 2
    sums = np.concatenate([np.zeros((1, filled.shape[1])), np.cumsum(filled, axis=0)])
    counts = np.concatenate([[0], np.cumsum(seen)])
    starts = np.maximum(np.arange(len(units)) - before, 0)
    ends = np.minimum(np.arange(len(units)) + after, len(units))
    mean = (sums[ends] - sums[starts]) / np.maximum(counts[ends] - counts[starts], 1)[:, None]
    mean[~seen] = np.nan
    return np.asarray(mean, np.float64)
