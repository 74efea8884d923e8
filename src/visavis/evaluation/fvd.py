"""FVD: how far the videos that were made are, as a set, from real ones, in looks and in motion.

Source: Unterthiner et al., "FVD: A new Metric for Video Generation" (2019) and "Towards Accurate
Generative Models of Video: A New Metric & Challenges" (2018): the squared Frechet distance of two
Gaussians with the mean and covariance of either set's I3D features, which are the 400 logits of the
network of Kinetics-400. Windows are of 16 frames here, 25 a second, each beginning where the one before
ends; what is left of a clip does not count.

**How many windows.** A covariance of 400 features has full rank from 401 windows, four and a half minutes
of video. With fewer, FVD is too high, by the more the fewer there are, even where both sets come from the
same source; windows of one clip are so alike that they count for few. Such figures can be compared only
with those of sets as large, cut from the same clips. So a figure carries both numbers.

**What it sees.** Looks as much as motion (Ge et al., "On the Content Bias in Frechet Video Distance", CVPR
2024): frozen and shuffled frames are seen, a halved frame rate hardly. Other windows, frame rates or
crops of the face give other figures.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture
from visavis.evaluation.fid import FeatureStatistics, FrechetFigure, compare


class Features(Protocol):
    """What sees something in windows: ``visavis.models.i3d.predictor.VideoFeatures``."""

    network: str
    dimensions: int
    frames: int

    def embed(self, windows: npt.NDArray[np.uint8]) -> Floats:
        """Features (B, D) of windows (B, T, H, W, 3), T = ``frames``."""
        ...


class Windows:
    """Features of windows of pictures that come one by one; fewer than a window are kept.

    Args:
        features: The network, which may be shared.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._pictures: list[Picture] = []

    def add(self, picture: Picture) -> Floats:
        """See the next picture, uint8 RGB (H, W, 3).

        Returns:
            float32 (1, D) where it ends a window, else (0, D).

        Raises:
            ValueError: Pictures of a window have different sizes.
        """
        if self._pictures and picture.shape != self._pictures[0].shape:
            raise ValueError(
                f"a picture of {picture.shape} cannot follow one of {self._pictures[0].shape}"
            )
        # Whoever shows it may paint over it.
        self._pictures.append(picture.copy())
        if len(self._pictures) < self._features.frames:
            return np.empty((0, self._features.dimensions), np.float32)
        window = np.stack(self._pictures)
        self._pictures = []
        return self._features.embed(window[None])

    def break_off(self) -> None:
        """Leave out what is of no whole window: the next picture does not follow the last one."""
        self._pictures = []


class Fvd:
    """FVD of clips whose pictures are shown one by one.

    Args:
        features: The network, which may be shared.
    """

    def __init__(self, features: Features) -> None:
        self._real, self._made = Windows(features), Windows(features)
        self.real = FeatureStatistics(features.dimensions)
        self.made = FeatureStatistics(features.dimensions)
        self.network = features.network
        """Which one it is, with the hash of its weights, for protocols."""

    def add(self, made: Picture, real: Picture) -> None:
        """Count a frame to either set, uint8 RGB (H, W, 3); they need not belong together."""
        self.add_made(made)
        self.add_real(real)

    def add_made(self, picture: Picture) -> None:
        """Count the next frame that was made."""
        self.made.add(self._made.add(picture))

    def add_real(self, picture: Picture) -> None:
        """Count the next real one."""
        self.real.add(self._real.add(picture))

    def break_off(self) -> None:
        """Begin new windows: after each clip, and wherever frames are missing."""
        self._made.break_off()
        self._real.break_off()

    def figure(self) -> FrechetFigure:
        """The distance, with the numbers of windows (not pictures); NaN with fewer than two."""
        return compare(self.real, self.made)

    def value(self) -> float:
        """The distance alone."""
        return self.figure().distance
