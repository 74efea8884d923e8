"""How sharp a drawn square is made: as sharp as the face that it is put into, and without a grid.

A generator's square is softer than the face, by as much as it has learnt too little. And its
deconvolutions leave a grid: what changes from each pixel to the next and back, in step all over the
skin, which no picture of skin does; or from each second one, where its last but one layer that enlarges
did that. It is seen when the square is enlarged, the more so when it is
sharpened; and where it counts as fine detail, a soft picture passes for a sharp one. So it is looked for
once for each avatar, on skin and lips of the square drawn for silence; and where it is found, what is as
fine is left out of every square, and sharpened is what remains.

Shapes: S the width of the square that is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from visavis.core.types import Floats, Picture
from visavis.media.blend import polygon_mask
from visavis.media.geometry import Affine, apply, invert
from visavis.media.lip_crop import Square
from visavis.models.common import mesh

_STILL = (0.85, 1.15)
"""From how far on, in radii of the part that speech moves, skin counts as still."""
_SOFT = 0.004
"""What is finer than this, in sides of the square, counts as sharpness."""
_LEAST_SOFT = 0.8
"""Likewise, in pixels."""
_SOFT_GRID = 0.8
"""The same, of squares that nothing finer is left of, in waves of their grid."""
_SHARPEST = 1.0
"""Most that fine detail is strengthened by: beyond that, noise would be seen."""
_WITHOUT_GRID = {
    2: np.array([1, 4, 6, 4, 1], np.float32) / 16,
    4: np.convolve([1, 0, 4, 0, 6, 0, 4, 0, 1], [1, 2, 1]).astype(np.float32) / 64,
}
"""Of waves of so many pixels nothing is left, a fifth to a quarter of those of twice as many; the second leaves
nothing of those of two either. So what both leave of a face is about the same, if the one square is twice the other."""
_GRID_AROUND = 1.5
"""Waves over which a grid keeps in step."""
_GRID_MORE, _GRID_LEAST = 1.5, 0.2
"""A grid is so many times as strong as waves that are a little coarser, and has so many grey levels."""


@dataclass(frozen=True, slots=True)
class Finish:
    """What is done to each drawn square.

    Attributes:
        share: By which fine detail is strengthened; 0 changes nothing.
        grid: Pixels of the wave of a grid that is taken out first, 2 or 4; 0 for none.
    """

    share: float = 0.0
    grid: Literal[0, 2, 4] = 0

    def clean(self, square: Picture) -> Picture:
        """Take the grid out of a square (S, S, 3), if there is one."""
        if not self.grid:
            return square
        kernel = _WITHOUT_GRID[self.grid]
        clean = cv2.sepFilter2D(square, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(clean, np.uint8)

    def sharpen(self, part: Picture, size: int) -> Picture:
        """Strengthen what is fine in rows of a clean square of ``size`` pixels."""
        if self.share <= 0:
            return part
        soft = self._soften(part, size)
        return np.asarray(cv2.addWeighted(part, 1 + self.share, soft, -self.share, 0), np.uint8)

    def fine(self, picture: Picture, size: int) -> Floats:
        """What would be strengthened: float32, like ``picture``."""
        return picture.astype(np.float32) - self._soften(picture, size)

    def _soften(self, picture: Picture, size: int) -> Picture:
        sigma = max(_LEAST_SOFT, _SOFT_GRID * self.grid, _SOFT * size)
        soft = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(soft, np.uint8)


AS_DRAWN = Finish()
"""Nothing is done."""


def find_finish(
    face: Picture, crop: Picture, landmarks: Floats, square: Square, detail: int = 0
) -> Finish:
    """Find how much a drawn square is softer than the one that is there, on skin that hardly moves.

    Args:
        face: uint8 (S', S', 3), drawn for silence.
        crop: uint8 (S, S, 3), as it is; S' is a multiple of S.
        landmarks: (478, 2 or 3) pixels of the avatar's frame.
        square: Where it lies in it.
        detail: Pixels of its side that the generator learnt from; 0 where that is not known. Where the
            square has twice as many, what alternates by four of its pixels is never detail, whether
            silence shows it or not.
    """
    size = len(face)
    if len(crop) != size:
        crop = np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_CUBIC))
    to_square = square.to_crop(size)
    oval = apply(to_square, landmarks[mesh.FACE_OVAL, :2])
    weight = polygon_mask(oval, size, size, 0.05 * size)
    weight *= Moving(landmarks).stillness(invert(to_square), size)
    weight[: size // 2] = 0
    total = float(weight.sum())
    if total < 1:
        return AS_DRAWN
    # On lips it may be much stronger than on skin, or the other way round.
    lips = polygon_mask(apply(to_square, landmarks[mesh.LIPS_OUTER, :2]), size, size, 0.01 * size)
    grids: tuple[Literal[4, 2], ...] = (4, 2)
    found = (wave for wave in grids if any(_has_grid(face, wave, on) for on in (weight, lips)))
    finish = Finish(grid=4 if 0 < 2 * detail <= size else next(found, 0))
    drawn, real = (
        float((weight * np.square(finish.fine(picture, size)).mean(2)).sum() / total)
        for picture in (finish.clean(face), crop)
    )
    share = float(np.clip(math.sqrt(real / max(drawn, 1e-3)) - 1, 0, _SHARPEST))
    return Finish(share, finish.grid)


def _has_grid(picture: Picture, pixels: int, weight: Floats) -> bool:
    """Whether waves of so many pixels, along columns, rows or both, are stronger than a little coarser ones.

    In a picture of skin or lips they never are, however sharp.
    """
    if float(weight.sum()) < 1:
        return False
    light = picture.astype(np.float32).mean(2)
    light -= cv2.GaussianBlur(light, (0, 0), _SOFT_GRID * pixels)
    for across, down in ((1, 0), (0, 1), (1, 1)):
        fine, coarser = (
            _strength(light, pixels / share, across, down, weight) for share in (1.0, 0.75)
        )
        if fine > max(_GRID_MORE * coarser, _GRID_LEAST):
            return True
    return False


def _strength(light: Floats, pixels: float, across: int, down: int, weight: Floats) -> float:
    """Grey levels of a wave of so many pixels that keeps in step all around."""
    at = np.arange(len(light))
    phase = 2 * np.pi / pixels * (across * at[None] + down * at[:, None])
    parts = [
        cv2.GaussianBlur(light * turn(phase).astype(np.float32), (0, 0), _GRID_AROUND * pixels)
        for turn in (np.cos, np.sin)
    ]
    power = sum(float((weight * np.square(part)).sum()) for part in parts)
    return math.sqrt(power / float(weight.sum()))


class Moving:
    """The disc of lips and chin that speech moves."""

    def __init__(self, landmarks: Floats) -> None:
        lips = landmarks[[13, 14], :2].mean(0)
        chin = landmarks[mesh.CHIN, :2]
        self._centre = (lips + chin) / 2
        self._radius = max(1.0, 0.93 * float(np.linalg.norm(chin - lips)))

    def stillness(self, to_avatar: Affine, width: int, height: int | None = None) -> Floats:
        """0 in the disc, 1 outside, of pixels that are mapped to the avatar's frame (height, width)."""
        height = width if height is None else height
        y, x = np.mgrid[:height, :width].astype(np.float32)
        m = to_avatar.astype(np.float32)
        ax = m[0, 0] * x + m[0, 1] * y + (m[0, 2] - self._centre[0])
        ay = m[1, 0] * x + m[1, 1] * y + (m[1, 2] - self._centre[1])
        low, high = _STILL
        t = np.clip((np.hypot(ax, ay) / self._radius - low) / (high - low), 0, 1)
        return np.asarray(t * t * (3 - 2 * t), np.float32)
