"""Where one shot of a video ends and the next begins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from visavis.core.types import Picture

THUMBNAIL = 96
"""Pixels of the longer side of the grey pictures that changes are measured on."""
_CUT_LEVELS = 14.0
"""Mean change in grey levels from one frame to the next that a moving person does not reach."""
_CUT_RATIO = 5.0
_NEAR = 4
"""Frames on each side that a cut is compared with."""
_NEAR_RATIO = 1.5


def shrink_grey(image: Picture) -> npt.NDArray[np.uint8]:
    """A picture (H, W, 3) as a grey one of ``THUMBNAIL`` pixels (h, w)."""
    import cv2

    scale = THUMBNAIL / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def grey_change(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Mean change between two grey pictures of one size, in levels."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def is_cut(changes: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which of the changes (T - 1,) from each frame to the next are cuts.

    A cut stands out from all of the video, and from what is around it: a camera that swings changes
    everything as much, but for many frames.
    """
    count = len(changes)
    if not count:
        return np.zeros(0, np.bool_)
    cuts = (changes > _CUT_LEVELS) & (changes > _CUT_RATIO * np.median(changes))
    for i in np.flatnonzero(cuts):
        sides = (changes[max(0, i - _NEAR) : i], changes[i + 1 : i + 1 + _NEAR])
        usual = max((float(np.median(side)) for side in sides if len(side)), default=0.0)
        cuts[i] = changes[i] > _NEAR_RATIO * usual
    return np.asarray(cuts)
