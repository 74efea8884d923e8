"""The upright square of a head, which a face may be turned into and pasted back from."""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats

CROP_SIDE = 256
"""Pixels of the upright square."""
CROP_SCALE = 1.5
"""How much larger than the landmarks that square is."""

_RIGHT_EYE, _LEFT_EYE = 33, 263


def upright_crop(points: Floats) -> Floats:
    """Affine map (2, 3) from the picture to a ``CROP_SIDE`` square with the face upright in it.

    Args:
        points: float32 (478, 2) pixels.
    """
    along = points[_LEFT_EYE] - points[_RIGHT_EYE]
    cos, sin = along / max(float(np.linalg.norm(along)), 1e-6)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    turned = points @ turn.T
    low, high = turned.min(0), turned.max(0)
    scale = CROP_SIDE / (CROP_SCALE * max(float((high - low).max()), 1.0))
    shift = CROP_SIDE / 2 - scale * (low + high) / 2
    affine: Floats = np.concatenate([scale * turn, shift[:, None]], axis=1).astype(np.float32)
    return affine
