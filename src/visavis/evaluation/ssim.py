"""Structural similarity: whether two pictures have the same brightness, contrast and structure.

Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (IEEE
TIP 2004), section III, with c3 = c2 / 2.

**Protocol.** Gaussian windows of 11x11 pixels with sigma 1.5; only those that lie wholly within the
picture; k1 = 0.01, k2 = 0.03, range 255; variances divided by the weights' sum, not by one less; the
mean over all windows and over red, green and blue. It is what scikit-image's ``structural_similarity``
gives with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
channel_axis=-1``. Who takes the luma alone gets other figures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from visavis.core.types import Picture

WINDOW = 11
"""Pixels."""
SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class Ssim:
    """The mean over pairs of frames that are shown one by one."""

    def __init__(self) -> None:
        self._total = 0.0
        self.frames = 0
        """That counted."""

    def add(self, made: Picture, real: Picture) -> float:
        """Count a frame and the one it should be; gives the figure of these two."""
        found = ssim(made, real)
        if not np.isnan(found):
            self._total += found
            self.frames += 1
        return found

    def value(self) -> float:
        """The mean of all that counted; NaN where there were none."""
        return self._total / self.frames if self.frames else float("nan")


def ssim(one: Picture, other: Picture) -> float:
    """SSIM of two pictures.

    Args:
        one: uint8 (H, W, C) or (H, W).
        other: Likewise.

    Returns:
        At most 1, which is for pictures that are the same; NaN where a side is shorter than `WINDOW`.

    Raises:
        ValueError: They have different shapes.
    """
    if one.shape != other.shape:
        raise ValueError(f"pictures of {one.shape} and {other.shape} cannot be compared")
    if min(one.shape[:2]) < WINDOW:
        return float("nan")
    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = _average(a), _average(b)
    spread_a = _average(a * a) - mean_a**2
    spread_b = _average(b * b) - mean_b**2
    common = _average(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * common + _C2) / (spread_a + spread_b + _C2)
    return float(np.mean(light * structure))


def _average(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weighted means of all windows of (H, W[, C])."""
    import cv2

    half = WINDOW // 2
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / SIGMA) ** 2)
    weights /= weights.sum()
    means = np.asarray(cv2.sepFilter2D(x, cv2.CV_64F, weights, weights), np.float64)
    return means[half:-half, half:-half]
