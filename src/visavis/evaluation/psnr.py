"""Peak signal-to-noise ratio: how near pictures are, pixel by pixel."""

from __future__ import annotations

import numpy as np

from visavis.core.types import Picture

MOST = 100.0
"""What pictures that are the same are given, which would be infinite."""


def psnr(one: Picture, other: Picture) -> float:
    """10 log10(255^2 / MSE), in dB, over all pixels and channels of both.

    Args:
        one: uint8 of any shape.
        other: Likewise.
    """
    error = float(np.mean((one.astype(np.float64) - other) ** 2)) if one.size else 0.0
    return min(MOST, 10 * np.log10(255**2 / error)) if error else MOST
