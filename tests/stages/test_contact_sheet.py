from __future__ import annotations

import numpy as np
import pytest

from visavis.models.common.units import MOUTH_UNITS
from visavis.stages.animators.contact_sheet import SOUNDS, draw_contact_sheet, mouth_of
from visavis.stages.avatars import store


def test_every_picture_of_the_sheet_differs_from_the_one_at_rest() -> None:
    sheet = draw_contact_sheet(store.load(store.DEFAULT), 128)
    assert sheet.shape == (3 * (128 + 26), 9 * 128, 3)
    tiles = [
        sheet[r * 154 + 26 : (r + 1) * 154, c * 128 : (c + 1) * 128].astype(int)
        for r in range(3)
        for c in range(9)
    ]
    rest = tiles[18]
    same = [i for i, tile in enumerate(tiles) if np.abs(tile - rest).mean() < 0.05]
    assert same == [5, 9, 18], "neutral, silence and rest alone are alike"


@pytest.mark.parametrize(
    ("title", "channel", "low", "high"),
    [
        ("m b p", "mouthPress", 0.1, 1.0),
        ("f v", "mouthRollLower", 0.2, 1.0),
        ("a", "jawOpen", 0.3, 0.7),
        ("o", "mouthFunnel", 0.2, 1.0),
        ("u", "mouthPucker", 0.4, 1.0),
        ("i", "mouthStretch", 0.2, 1.0),
        ("s", "jawOpen", 0.0, 0.15),
        ("l n", "tongueUp", 0.4, 1.0),
    ],
)
def test_a_sound_has_its_shape(title: str, channel: str, low: float, high: float) -> None:
    value = mouth_of(dict(SOUNDS)[title])[MOUTH_UNITS.index(channel)]
    assert low <= value <= high
