"""How sharp a picture of a face is, whatever its size, light and contrast."""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats

WIDTH = 192
"""Pixels at which sharpness is measured; smaller faces are not enlarged."""
_SMALLEST = 8


def measure_sharpness(face: Floats) -> float:
    """Variance of the Laplacian over the variance of brightness; 0 is a blur, or too small to tell.

    Args:
        face: float32 (H, W) brightness of the face alone.
    """
    import cv2

    if min(face.shape) < _SMALLEST:
        return 0.0
    if face.shape[1] > WIDTH:
        size = (WIDTH, round(face.shape[0] * WIDTH / face.shape[1]))
        face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.float32)
    laplacian = np.asarray(cv2.Laplacian(face, cv2.CV_32F, ksize=1))
    return float(laplacian.var() / max(float(face.var()), 1.0))
