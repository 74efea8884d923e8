"""How much a mouth moves where nobody is heard: it should rest shut.

A frame is quiet when it and the 0.2 s before it are silent and no speech comes within 0.2 s, for
mouths rightly close after a word and open before one. What goes before the clip is not known, so its
first 0.2 s are not quiet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats
from visavis.evaluation.lip_shape import STEADY, eye_span, lip_opening
from visavis.media.geometry import apply, estimate_similarity
from visavis.models.common import mesh

MARGIN = 5
"""Frames, 0.2 s."""
FEWEST_FRAMES = 10
"""Quiet frames with a face, 0.4 s."""


@dataclass(frozen=True, slots=True)
class SilenceFigures:
    """NaN where there is less than 0.4 s of quiet.

    Attributes:
        motion: Root mean square speed of the lips' landmarks against the face, in percent of the
            eyes' span per frame. The landmarker's own unrest is 0.1 to 0.3.
        opening: Mean distance of the lips, in percent of the eyes' span.
        frames: Quiet frames with a face.
    """

    motion: float
    opening: float
    frames: int


def silence_motion(landmarks: Floats, speaking: npt.NDArray[np.bool_]) -> SilenceFigures:
    """Measure the mouth in the quiet frames.

    Args:
        landmarks: float32 (T, 478, 2 or 3) pixels; NaN rows do not count. Each frame is brought onto
            the one before by the similarity of `lip_shape.STEADY`, so that heads may move.
        speaking: bool (T,); whether somebody is heard.
    """
    points = landmarks[..., :2]
    seen = np.asarray(~np.isnan(points).any(axis=(1, 2)))
    quiet = find_quiet(speaking) & seen
    count = int(quiet.sum())
    if count < FEWEST_FRAMES:
        return SilenceFigures(float("nan"), float("nan"), count)
    span = eye_span(points)
    squares = []
    for frame in np.flatnonzero(quiet[1:] & seen[:-1]) + 1:
        now, before = points[frame], points[frame - 1]
        there = apply(estimate_similarity(now[STEADY], before[STEADY]), now[mesh.LIPS])
        moved = ((there - before[mesh.LIPS]) ** 2).sum(axis=1).mean()
        squares.append(moved / span[frame - 1] ** 2)
    motion = 100 * float(np.sqrt(np.mean(squares))) if squares else float("nan")
    opening = 100 * float(lip_opening(points[quiet]).mean())
    return SilenceFigures(motion, opening, count)


def find_quiet(speaking: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which frames (T,) are silent, have been for 0.2 s and stay so for 0.2 s."""
    around = np.concatenate([np.ones(MARGIN, bool), speaking, np.zeros(MARGIN, bool)])
    heard = np.lib.stride_tricks.sliding_window_view(around, 2 * MARGIN + 1).any(axis=1)
    return np.asarray(~heard, np.bool_)
