"""How pixels go to and fro between frames: inside the mouth, and on the rim where generators paste.

What is measured is half the second difference in time, |I(t-1) - 2 I(t) + I(t+1)| / 2, of grey
levels: a pixel that goes up by d and back gives d, one that grows or falls steadily gives 0. A face
that moves evenly therefore hardly counts, and a face that stands still not at all. The camera's noise
and the coding raise it everywhere; so each region is told in proportion to forehead and nose of the
same frames.

Talking changes the inside of a mouth far more than flicker does. It is therefore measured only while
the lips hardly move, and even so has its meaning beside the real one's figure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.evaluation import face_regions
from visavis.evaluation.lip_shape import eye_span
from visavis.models.common import mesh

FEWEST_PIXELS = 30
"""That a region must have in all three frames; a mouth that is shut has no inside."""
RESTING = 1.0
"""Percent of the eyes' span that lips may move, root mean square, from each frame to the next for the
inside of the mouth to be measured. Of real speech, a third of the frames are calmer."""
LEAST_LEVELS = 0.5
"""Grey levels of flicker of still skin below which rounding to whole levels hides it."""

_REGIONS: dict[str, Callable[[Floats, face_regions.Size], face_regions.Mask]] = {
    "mouth": face_regions.mouth_hole,
    "rim": face_regions.mouth_rim,
    "skin": face_regions.still_skin,
}


@dataclass(frozen=True, slots=True)
class FlickerFigures:
    """Root mean squares over pixels and frames, NaN where the region was never in view.

    Attributes:
        mouth: Grey levels (0 to 255) between the lips, while they are open and hardly move.
        rim: Grey levels on cheeks and chin around the lips.
        skin: Grey levels on forehead and nose.
        mouth_ratio: ``mouth`` over ``skin``, no unit; skin counts as at least `LEAST_LEVELS`.
        rim_ratio: ``rim`` over ``skin``, likewise. 1 where nothing but the camera moves it; real
            cheeks and chins move with speech (0.7 to 4.2 in ten filmed clips).
        frames: Middle frames that were measured.
    """

    mouth: float
    rim: float
    skin: float
    mouth_ratio: float
    rim_ratio: float
    frames: int


class Flicker:
    """Takes aligned faces one by one."""

    def __init__(self) -> None:
        self._last: deque[tuple[npt.NDArray[np.int16], Floats]] = deque(maxlen=3)
        self._squares = dict.fromkeys(_REGIONS, 0.0)
        self._pixels = dict.fromkeys(_REGIONS, 0)
        self._frames = 0

    def add(self, face: Picture, marks: Floats) -> None:
        """Take the next frame.

        Args:
            face: uint8 (256, 256, 3) RGB, aligned.
            marks: float32 (478, 2) pixels of it; NaN where no face was found, after which the
                measuring begins anew.
        """
        import cv2

        if np.isnan(marks).any():
            self._last.clear()
            return
        self._last.append((cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.int16), marks))
        if len(self._last) < 3:
            return
        (before, old), (now, here), (after, new) = self._last
        calm = max(_lip_motion(old, here), _lip_motion(here, new)) < RESTING
        swing = (np.abs(before - 2 * now + after) / 2).astype(np.float32)
        self._frames += 1
        for name, region in _REGIONS.items():
            if name == "mouth" and not calm:
                continue
            # Only what belongs to the region in all three: an edge that passes by is no flicker.
            size = (swing.shape[0], swing.shape[1])
            inside = region(old, size) & region(here, size) & region(new, size)
            count = int(inside.sum())
            if count >= FEWEST_PIXELS:
                self._squares[name] += float((swing[inside] ** 2).sum())
                self._pixels[name] += count

    def value(self) -> FlickerFigures:
        """Tell the figures of all frames so far."""
        levels = {
            name: float(np.sqrt(self._squares[name] / self._pixels[name]))
            if self._pixels[name]
            else float("nan")
            for name in _REGIONS
        }
        skin = levels["skin"]
        floor = skin if np.isnan(skin) else max(skin, LEAST_LEVELS)
        return FlickerFigures(
            **levels,
            mouth_ratio=levels["mouth"] / floor,
            rim_ratio=levels["rim"] / floor,
            frames=self._frames,
        )


def _lip_motion(one: Floats, other: Floats) -> float:
    """Root mean square way of the lips' landmarks, in percent of the eyes' span."""
    squares = ((one[mesh.LIPS] - other[mesh.LIPS]) ** 2).sum(axis=1)
    return 100 * float(np.sqrt(squares.mean()) / max(float(eye_span(one[None])[0]), 1e-6))
