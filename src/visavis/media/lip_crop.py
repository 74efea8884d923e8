"""The square of a face that lip-sync networks see and draw: from the brows to below the chin.

It is placed by parts of the face that speech does not move. Were it to follow the jaw, as the box
of a face detector does, a generator could read the mouth that it is to draw from the upper half
that it is given. Points are written as complex numbers here, x + iy: a similarity is then
``scale_and_turn * point + shift``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.media.geometry import Affine, compose, crop_map, scale_of, warp

_Complex: TypeAlias = npt.NDArray[np.complex128]

# Vertices of MediaPipe's face mesh, chosen by measuring: in 90 clips of 37 speakers these move less
# than 0.05 as far as the lips part; the ridge of the nose (6, 168), say, moves 0.3 as far.
_STILL = (
    33, 133, 362, 263,                                      # corners of the eyes
    193, 417, 122, 351, 188, 412, 197,                      # sides of the nose
    8, 9, 10, 151, 338, 297, 332, 109, 67, 103, 21, 251, 54, 284,  # forehead
    139, 368, 227, 447, 234, 454,                           # temples
)  # fmt: skip
_SIDES = (127, 234, 93, 356, 454, 323)
_CHIN, _UPPER_LIP, _LOWER_LIP = 152, 13, 14
_LIP_TOP = (0, 37, 267)
_RIGHT_EYE, _LEFT_EYE = 33, 263

WIDTH = 1.14
"""Of the oval of the face. Were it as wide as that, half of it would lie above a line through the
upper lip, and the lower half, which generators are not given, would not hold the whole mouth."""
OPEN = 0.09
"""Of the oval's width: how far the chin of a mouth that is half open lies below its place at rest."""
MARGIN = 0.05
"""Of the oval's width: what is left below that chin."""
LIP = 0.54
"""Of the side: the highest that the upper lip may lie. A chin that is found low on a stout neck would
draw the square down until the mouth shows in the half that generators are given."""
SMOOTHING = 5
"""Frames of the running mean (Wav2Lip, ``get_smoothened_boxes``)."""

_ROUNDS = 3
_SAMPLING = 2
"""Shrinking draws at this multiple of the size and averages, so that fine hair does not shimmer."""


def lip_boxes(landmarks: npt.ArrayLike) -> Floats:
    """Square boxes of the mouth and what is around it, one a frame.

    The shape that the still points have on average over all frames is fitted to each of them; the
    square has one place on that shape. Frames of one face between two cuts belong together.

    Args:
        landmarks: (T, 478, 2 or 3) pixels, finite, a face in each frame.

    Returns:
        float32 (T, 4) xyxy pixels; may reach over the border of the picture.

    Raises:
        ValueError: No frames, or landmarks that are no face.
    """
    given = np.asarray(landmarks, np.float64)
    if given.ndim != 3 or given.shape[1] < 468 or given.shape[2] < 2 or not len(given):
        raise ValueError(f"landmarks must be (T, 478, 2) with T of 1 or more, not {given.shape}")
    if not np.isfinite(given).all():
        raise ValueError("landmarks must be numbers; fill frames without a face from those around")
    points = given[..., 0] + 1j * given[..., 1]
    turn, shift = _follow(points[:, _STILL])
    centre, side = _place((points - shift[:, None]) / turn[:, None])
    middles = turn * centre + shift
    smooth = _smooth(np.stack([middles.real, middles.imag, np.abs(turn) * side], axis=1))
    half = smooth[:, 2:] / 2
    return np.concatenate([smooth[:, :2] - half, smooth[:, :2] + half], axis=1).astype(np.float32)


def light_of(crops: Picture) -> Floats:
    """Mean colour of eyes, nose and cheeks: what light and camera make of a face.

    Args:
        crops: uint8 (N, S, S, 3) squares of faces, as `lip_boxes` places them.

    Returns:
        float32 (3,), 0 to 255: of the rows from a quarter to half of the height, which speech does not move,
        and the middle three fifths of the width.
    """
    size = crops.shape[1]
    middle = crops[:, size // 4 : size // 2, size // 5 : size - size // 5]
    light: Floats = middle.mean((0, 1, 2), dtype=np.float64).astype(np.float32)
    return light


def _follow(still: _Complex) -> tuple[_Complex, _Complex]:
    """Similarities (T,), (T,) from a face that looks straight out to the points (T, K) of each frame."""
    middles = still.mean(axis=1)
    offsets = still - middles[:, None]
    shape = offsets[len(offsets) // 2]
    for _ in range(_ROUNDS):
        power = float((np.abs(shape) ** 2).sum())
        if power < 1e-9:
            raise ValueError("the landmarks of a face lie all in one place")
        turn = (offsets @ shape.conj()) / power
        if float(np.abs(turn).min()) < 1e-9:
            raise ValueError("the landmarks of a face lie all in one place")
        shape = (offsets / turn[:, None]).mean(axis=0)
        shape -= shape.mean()
    across = shape[_STILL.index(_LEFT_EYE)] - shape[_STILL.index(_RIGHT_EYE)]
    shape *= abs(across) / across
    turn = (offsets @ shape.conj()) / float((np.abs(shape) ** 2).sum())
    return turn, middles


def _place(faces: _Complex) -> tuple[complex, float]:
    """Centre and side of the square on the upright face, from all its frames (T, 478)."""
    sides = faces[:, _SIDES].real
    left, right = np.median(sides.min(axis=1)), np.median(sides.max(axis=1))
    width = float(right - left)
    # The lower lip goes where the jaw goes: without the gap the chin is where it is at rest.
    gap = np.clip(faces[:, _LOWER_LIP].imag - faces[:, _UPPER_LIP].imag, 0, None)
    chin = float(np.median(faces[:, _CHIN].imag - gap))
    side = WIDTH * width
    lip = float(np.median(faces[:, _LIP_TOP].imag.min(axis=1)))
    bottom = min(chin + (OPEN + MARGIN) * width, lip + (1 - LIP) * side)
    return complex((left + right) / 2, bottom - side / 2), side


def _smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Running mean over the first axis, without delay; a steady motion is not bent at the ends."""
    reach = min(SMOOTHING // 2, len(values) - 1)
    if reach < 1:
        return values
    before = 2 * values[0] - values[reach:0:-1]
    after = 2 * values[-1] - values[-2 : -reach - 2 : -1]
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), before, values, after]), axis=0)
    window = 2 * reach + 1
    return np.asarray((sums[window:] - sums[:-window]) / window)


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """Where in a picture a square lies, of which crops of any size can be made.

    Attributes:
        to_unit: (2, 3) map from the picture's pixels to the square, whose edges are 0 and 1. It may turn and
            stretch: on the picture the square is then a parallelogram.
    """

    to_unit: Affine

    @classmethod
    def of(cls, box: npt.ArrayLike) -> Square:
        """Give the square of a box (4,) xyxy.

        Raises:
            ValueError: The box is empty.
        """
        to_unit = crop_map(box, 1, 1)
        to_unit[:, 2] += 0.5
        return cls(to_unit)

    def to_crop(self, size: int) -> Affine:
        """The map (2, 3) from the picture to the crop of ``size`` x ``size`` pixels."""
        return compose([[size, 0, -0.5], [0, size, -0.5]], self.to_unit)

    def cut(self, image: Picture, size: int) -> Picture:
        """Cut the square out of a picture (H, W, 3) and bring it to (size, size, 3).

        Enlarged by cubics, shrunk by averaging; beyond the border of the picture lies its edge.
        """
        import cv2

        to_crop = self.to_crop(size)
        if scale_of(to_crop) >= 1:
            enlarged = cv2.warpAffine(
                image,
                to_crop,
                (size, size),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
            return np.asarray(enlarged, np.uint8)
        fine = _SAMPLING * size
        drawn = warp(image, self.to_crop(fine), fine, fine)
        return np.asarray(cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def square_to_affine(box: npt.ArrayLike, size: int) -> Affine:
    """The map (2, 3) from the picture to the crop of ``size`` x ``size`` pixels.

    Raises:
        ValueError: The box is empty.
    """
    return crop_map(box, size, size)


def crop_square(image: Picture, box: npt.ArrayLike, size: int) -> Picture:
    """Cut a box (4,) out of a picture (H, W, 3), as `Square.cut` does."""
    return Square.of(box).cut(image, size)
