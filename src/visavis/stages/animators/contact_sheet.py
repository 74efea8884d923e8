"""One picture of all that an avatar's face can do, to be looked at before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from visavis.core.types import EMOTIONS, Avatar, Floats, Mark, Picture
from visavis.models.common.units import MOUTH_UNITS, expand_mouth

if TYPE_CHECKING:
    from visavis.models.puppet.renderer import Pose

_RATE = 24_000
SOUNDS: tuple[tuple[str, str], ...] = (
    ("silence", ""),
    ("m b p", "ɑmɑ"),
    ("f v", "ɑfɑ"),
    ("a", "ɑ"),
    ("o", "ɔ"),
    ("u", "u"),
    ("i", "i"),
    ("s", "s"),
    ("l n", "l"),
)
"""Titles of the mouth shapes and the phonemes whose middle one shows them."""
_HEADER = 26


def draw_contact_sheet(avatar: Avatar, size: int = 288) -> Picture:
    """Draw an avatar's emotions at full intensity, its mouth shapes, blinks and turns.

    Args:
        avatar: Portrait or loop; of a loop the first frame is shown.
        size: Shorter side of each picture, pixels.

    Returns:
        RGB uint8, nine pictures wide and three tall, each with its title above.
    """
    import cv2

    from visavis.models.puppet.emotions import emotion_units
    from visavis.models.puppet.renderer import Pose
    from visavis.models.puppet.stand import Stand

    stand = Stand(avatar, size)
    half = emotion_units("happy", 0.5)
    shut = np.zeros_like(half)
    shut[8:10] = 1.0  # eyeBlinkLeft, eyeBlinkRight
    rows: list[list[tuple[str, Pose]]] = [
        [(e, Pose(units=emotion_units(e, 1.0), lips=1.0)) for e in EMOTIONS]
        + [("happy 50 %", Pose(units=half, lips=1.0))],
        [(title, _pose_of(phonemes)) for title, phonemes in SOUNDS],
        [
            ("at rest", Pose()),
            ("blink", Pose(units=shut)),
            ("half a blink", Pose(units=shut * 0.5)),
            ("glance", Pose(gaze=(0.6, 0.0))),
            ("right", Pose(yaw=7)),
            ("left", Pose(yaw=-7)),
            ("up", Pose(pitch=6)),
            ("down", Pose(pitch=-6)),
            ("tilted", Pose(roll=5)),
        ],
    ]
    width, height = stand.size
    sheet = np.full((3 * (height + _HEADER), 9 * width, 3), 24, np.uint8)
    for r, row in enumerate(rows):
        for c, (title, pose) in enumerate(row):
            x, y = c * width, r * (height + _HEADER)
            sheet[y + _HEADER : y + _HEADER + height, x : x + width] = stand.render(0, pose)
            cv2.putText(
                sheet, title, (x + 8, y + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1,
                cv2.LINE_AA,
            )  # fmt: skip
    stand.close()
    return sheet


def mouth_of(phonemes: str) -> Floats:
    """Mouth channels (12,) in the middle of the middle one of some phonemes, 160 ms each."""
    from visavis.models.puppet.coarticulation import mouth_track

    if not phonemes:
        return np.zeros(len(MOUTH_UNITS), np.float32)
    each = _RATE * 16 // 100
    marks = [Mark("phoneme", p, i * each, (i + 1) * each) for i, p in enumerate(phonemes)]
    frame = int((len(phonemes) / 2) * 0.16 * 25)
    mouth: Floats = mouth_track(marks, _RATE, frame, 1)[0]
    return mouth


def _pose_of(phonemes: str) -> Pose:
    from visavis.models.puppet.renderer import Pose

    mouth = mouth_of(phonemes)
    units = expand_mouth(mouth[None])[0]
    tongue = float(mouth[MOUTH_UNITS.index("tongueUp")])
    return Pose(units=units, tongue=tongue, lips=0.0 if phonemes else 1.0)
