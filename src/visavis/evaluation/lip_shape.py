"""What lips do, by landmarks: how far from real ones, how wide apart, and whether at the same times.

No network that lips were taught by is asked. Frames in which no face was found are NaN and do not count.

Sources: landmark distance (LMD), Chen et al., "Lip Movements Generation at a Glance" (ECCV 2018), here
after alignment, so that a moving head is no fault.
Shapes: T frames of 478 landmarks of MediaPipe's face mesh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.media.geometry import apply, estimate_similarity
from visavis.models.common import mesh

if TYPE_CHECKING:
    from visavis.models.face_landmarker.predictor import FaceLandmarker

STEADY = np.array([33, 133, 362, 263, 168, 6, 197, 195, 5, 4])
"""Corners of the eyes and ridge of the nose: what speech hardly moves, by which faces are aligned."""
SEARCHED = 5
"""Frames of delay that are tried, both ways."""
FEWEST_FRAMES = 10
"""That a delay must have in common to be tried."""
_MIDDLE = slice(3, 8)
"""Of the inner contour: its middle half."""


def find_landmarks(crops: Picture, landmarker: FaceLandmarker) -> Floats:
    """Landmarks of a face that fills its pictures.

    Args:
        crops: uint8 (T, S, S, 3).
        landmarker: Reads them, each frame from where the face was before.

    Returns:
        float32 (T, 478, 2) pixels; NaN where no face is found.
    """
    whole = np.array([0, 0, crops.shape[2], crops.shape[1]], np.float32)
    found = np.full((len(crops), mesh.LANDMARKS, 2), np.nan, np.float32)
    face = None
    for frame, crop in enumerate(crops):
        face = landmarker.track(crop, face, anew=False) or landmarker.detect(crop, whole)
        if face is not None:
            found[frame] = face.landmarks[:, :2]
    return found


def lip_opening(landmarks: Floats) -> Floats:
    """Mean distance of the inner contours in the middle of the mouth, in widths of the eyes' span.

    Args:
        landmarks: float32 (T, 478, 2).

    Returns:
        float32 (T,).
    """
    upper = landmarks[:, mesh.LIPS_INNER_UPPER[_MIDDLE]]
    lower = landmarks[:, mesh.LIPS_INNER_LOWER[_MIDDLE]]
    distance: Floats = np.linalg.norm(lower - upper, axis=2).mean(axis=1)
    return (distance / np.maximum(eye_span(landmarks), 1e-6)).astype(np.float32)


def eye_span(landmarks: Floats) -> Floats:
    """Distance of the outer corners of the eyes, (T,), in the unit of (T, 478, 2)."""
    across = landmarks[:, mesh.EYE_LEFT_UPPER[-1]] - landmarks[:, mesh.EYE_RIGHT_UPPER[0]]
    span: Floats = np.linalg.norm(across, axis=1)
    return span


def landmark_distance(
    real: Floats, made: Floats, points: npt.NDArray[np.integer] = mesh.LIPS
) -> float:
    """LMD: mean distance of landmarks of the same frames, in percent of the eyes' span.

    Args:
        real: float32 (T, 478, 2).
        made: Likewise; brought onto ``real`` frame by frame by the similarity of `STEADY`.
        points: Which landmarks: lips (M-LMD) unless told; all of them is F-LMD.

    Returns:
        Percent; NaN where no frame has both faces.
    """
    distances = []
    for a, b, span in zip(real, made, eye_span(real), strict=True):
        if np.isnan(a).any() or np.isnan(b).any():
            continue
        there = apply(estimate_similarity(b[STEADY], a[STEADY]), b[points])
        distances.append(np.linalg.norm(there - a[points], axis=1).mean() / span)
    return 100 * float(np.mean(distances)) if distances else float("nan")


def correlation(one: Floats, other: Floats, delay: int = 0) -> float:
    """Pearson correlation of frame k of the one and frame k + delay of the other.

    Args:
        one: (T,).
        other: (T',); what goes beyond the shorter is not looked at.
        delay: Frames.

    Returns:
        In [-1, 1]; NaN where fewer than `FEWEST_FRAMES` are in common, or one of them stands still.
    """
    first, second = one[max(0, -delay) :], other[max(0, delay) :]
    count = min(len(first), len(second))
    first, second = first[:count], second[:count]
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    if len(first) < FEWEST_FRAMES or np.ptp(first) < 1e-6 or np.ptp(second) < 1e-6:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def find_delay(real: Floats, made: Floats, searched: int = SEARCHED) -> int | None:
    """Frames by which ``made`` is late: where its correlation with ``real`` is highest.

    Returns:
        From ``-searched`` to ``searched``, or None where no delay can be tried.
    """
    delays = range(-searched, searched + 1)
    found = np.array([correlation(real, made, delay) for delay in delays])
    return None if np.isnan(found).all() else int(np.nanargmax(found)) - searched
