"""Where on an aligned face the mouth, its rim, still skin and the eyes are, as masks of pixels.

An aligned face is uint8 (256, 256, 3) RGB; ``marks`` are the 478 landmarks of MediaPipe's face mesh
in pixels of it. All masks are bool (256, 256), or of whatever size is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.models.common import mesh

Mask: TypeAlias = npt.NDArray[np.bool_]
Size: TypeAlias = tuple[int, int]

_FOREHEAD = (69, 108, 151, 337, 299, 336, 9, 107)
"""Between the hair and the brows: from above the brows' middles down to between them."""
_NOSE = (168, 351, 420, 4, 198, 122)
_NOSE_BASE, _NOSE_TIP = 2, 4
_LIP_MARGIN = 0.06
"""Of the eyes' span: how far beyond the lips' contour the mouth still reaches."""
_RIM_SHRINK = 0.88
"""How far out to the border of the face the rim goes, so that hair and background stay out."""


def mouth_region(marks: Floats, size: Size = (256, 256)) -> Mask:
    """Lips and what is between them, with a margin of 6 percent of the eyes' span."""
    import cv2

    margin = max(1, round(_LIP_MARGIN * _span(marks)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return cv2.dilate(_fill(marks[mesh.LIPS_OUTER], size), disc).astype(bool)


def mouth_hole(marks: Floats, size: Size = (256, 256)) -> Mask:
    """What is between the lips: teeth, tongue, dark; nothing when they are shut.

    Without the contour itself, which lies half on the lips.
    """
    import cv2

    contour = marks[mesh.LIPS_INNER]
    mask = _fill(contour, size)
    cv2.polylines(mask, [np.rint(contour).astype(np.int32)], isClosed=True, color=0)
    return mask.astype(bool)


def mouth_rim(marks: Floats, size: Size = (256, 256)) -> Mask:
    """Cheeks and chin around the mouth, from the base of the nose down: where generators paste."""
    tip = marks[_NOSE_TIP]
    border = tip + _RIM_SHRINK * (marks[mesh.JAW] - tip)
    face = _hull(border, size)
    face[: max(0, round(float(marks[_NOSE_BASE, 1])))] = 0
    return face.astype(bool) & ~mouth_region(marks, size)


def still_skin(marks: Floats, size: Size = (256, 256)) -> Mask:
    """Forehead and ridge of the nose, which no generator of mouths touches and speech hardly moves."""
    return (_hull(marks[list(_FOREHEAD)], size) | _hull(marks[list(_NOSE)], size)).astype(bool)


def eye_region(marks: Floats, size: Size = (256, 256)) -> Mask:
    """Both eyes and brows, and what is between them."""
    points: Sequence[int] = np.concatenate([mesh.EYE_LEFT, mesh.EYE_RIGHT, mesh.BROWS]).tolist()
    return _hull(marks[points], size).astype(bool)


def _span(marks: Floats) -> float:
    across = marks[mesh.EYE_LEFT_UPPER[-1]] - marks[mesh.EYE_RIGHT_UPPER[0]]
    return float(np.linalg.norm(across))


def _hull(points: npt.NDArray[np.floating], size: Size) -> npt.NDArray[np.uint8]:
    import cv2

    hull = np.asarray(cv2.convexHull(points.astype(np.float32)), np.float32)
    return _fill(hull.reshape(-1, 2), size)


def _fill(points: npt.NDArray[np.floating], size: Size) -> npt.NDArray[np.uint8]:
    import cv2

    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
    return mask
