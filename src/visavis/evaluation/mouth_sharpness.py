"""How sharp the mouth is beside the rest of the same face, and beside the source's mouth.

Generators draw mouths in few pixels and soften teeth and lips. Sharpness is the variance of the
Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000, LAPV) of
the mouth over that of eyes and brows of the same aligned face, so that focus, light, size and coding
of the whole picture cancel. Faces differ in that, so the figure to judge by is the one against the
source: 1 is as sharp, below 1 softer, above 1 sharper or noisier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis.core.types import Floats, Picture
from visavis.evaluation.face_regions import eye_region, mouth_region

SMOOTHING = 1.0
"""Pixels, sigma: an aligned face is often enlarged, and its finest detail is noise."""


@dataclass(frozen=True, slots=True)
class SharpnessFigures:
    """Mean variances of the Laplacian, in squared grey levels; NaN where no face was found.

    Attributes:
        mouth: Of lips and what is between them.
        upper: Of eyes and brows.
        ratio: ``mouth`` over ``upper``, no unit.
        frames: That were measured.
    """

    mouth: float
    upper: float
    ratio: float
    frames: int


class MouthSharpness:
    """Takes aligned faces one by one."""

    def __init__(self) -> None:
        self._mouth = self._upper = 0.0
        self._frames = 0

    def add(self, face: Picture, marks: Floats) -> None:
        """Take the next frame.

        Args:
            face: uint8 (256, 256, 3) RGB, aligned.
            marks: float32 (478, 2) pixels of it; NaN where no face was found, and not counted then.
        """
        import cv2

        if np.isnan(marks).any():
            return
        grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
        edges = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), SMOOTHING), cv2.CV_32F)
        size = (grey.shape[0], grey.shape[1])
        mouth, upper = edges[mouth_region(marks, size)], edges[eye_region(marks, size)]
        if not mouth.size or not upper.size:
            return
        self._mouth += float(mouth.var())
        self._upper += float(upper.var())
        self._frames += 1

    def value(self) -> SharpnessFigures:
        """Tell the figures of all frames so far."""
        if not self._frames:
            return SharpnessFigures(float("nan"), float("nan"), float("nan"), 0)
        mouth, upper = self._mouth / self._frames, self._upper / self._frames
        ratio = mouth / upper if upper > 0 else float("nan")
        return SharpnessFigures(mouth, upper, ratio, self._frames)


def sharpness_against(made: SharpnessFigures, source: SharpnessFigures) -> float:
    """Sharpness of the mouth as a share of the source's, each beside its own eyes.

    Args:
        made: Of the generated clip.
        source: Of the real clip, or of the one picture that was animated.

    Returns:
        1 for as sharp as the source; NaN where either has no figure, or the source's mouth is flat.
    """
    return made.ratio / source.ratio if source.ratio > 0 else float("nan")
