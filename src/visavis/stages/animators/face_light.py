"""A face in the light that a generator has learnt from, and what it draws in the face's own light.

A generator that has seen few people in one studio moves lips less on a face that is brighter or of another
colour than theirs. So each channel is multiplied until the faces are as bright, before it looks and, the
other way round, after it has drawn: white balance, after von Kries, and exposure in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from visavis.core.types import Picture
from visavis.media.lip_crop import light_of

MOST = 1.6
"""By how much, up or down, at most: beyond that, noise of a dark picture would be drawn as skin."""


@dataclass(frozen=True, slots=True)
class FaceLight:
    """What each channel of a face is multiplied with.

    Attributes:
        shares: Three numbers; empty for nothing.
    """

    shares: tuple[float, ...] = ()

    def adapt(self, picture: Picture) -> Picture:
        """Bring a picture uint8 (..., 3) into the light that the generator knows."""
        return _multiply(picture, self.shares)

    def restore(self, picture: Picture) -> Picture:
        """Bring what was drawn in it into the face's own light."""
        return _multiply(picture, tuple(1 / share for share in self.shares))


def match_light(crop: Picture, wanted: Sequence[float]) -> FaceLight:
    """Find what brings a face into a light.

    Args:
        crop: uint8 (S, S, 3) the square of the face.
        wanted: Its mean colour as `visavis.media.lip_crop.light_of` reads it; empty for the face's own.
    """
    if not len(wanted):
        return FaceLight()
    shares = np.asarray(wanted, np.float64) / np.maximum(light_of(crop[None]), 1.0)
    return FaceLight(tuple(float(share) for share in np.clip(shares, 1 / MOST, MOST)))


def _multiply(picture: Picture, shares: tuple[float, ...]) -> Picture:
    if not shares:
        return picture
    values = np.arange(256)[:, None] * np.asarray(shares)
    table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(np.ascontiguousarray(picture), table[None]), np.uint8)
