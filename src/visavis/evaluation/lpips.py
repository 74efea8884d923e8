"""LPIPS: how different frames look from those they should be, by what AlexNet sees in them.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR
2018), version 0.1 with linear heads. Figures on AlexNet and on VGG16 are not to be compared, nor those
of pictures of different sizes.
"""

from __future__ import annotations

from typing import Protocol

from visavis.core.types import Floats, Picture


class Distance(Protocol):
    """What tells pictures apart: ``visavis.models.lpips.predictor.PerceptualDistance``."""

    network: str

    def compare(self, one: Picture, other: Picture) -> Floats:
        """Distances (B,) of pictures (B, H, W, 3) in pairs."""
        ...


class Lpips:
    """The mean over pairs of frames that are shown one by one.

    Args:
        distance: The network, which may be shared.
    """

    def __init__(self, distance: Distance) -> None:
        self._distance = distance
        self._total = 0.0
        self.network = distance.network
        """Which one it is, with the hash of its weights, for protocols."""
        self.frames = 0
        """That counted."""

    def add(self, made: Picture, real: Picture) -> float:
        """Count a frame and the one it should be; gives the distance of these two."""
        found = lpips(made, real, self._distance)
        self._total += found
        self.frames += 1
        return found

    def value(self) -> float:
        """The mean of all; NaN where there were none."""
        return self._total / self.frames if self.frames else float("nan")


def lpips(one: Picture, other: Picture, distance: Distance) -> float:
    """LPIPS of two pictures.

    Args:
        one: uint8 RGB (H, W, 3), at least 32 pixels on each side.
        other: Of the same size.
        distance: The network.

    Returns:
        0 for pictures that are the same, about 0.7 for quite other ones.

    Raises:
        PictureUnusable: They are too small.
        ValueError: They have different shapes.
    """
    return float(distance.compare(one[None], other[None])[0])
