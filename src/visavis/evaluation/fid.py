"""FID: how far the pictures that were made are, as a set, from real ones.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium" (NeurIPS 2017), equation 6: the squared Frechet distance of two Gaussians with the mean and
covariance of either set's Inception features. Covariances are divided by one less than the number of
pictures.

**How many pictures.** A covariance of 2048 features has full rank from 2049 pictures, and the authors
advise 10,000. With fewer, FID is too high, by the more the fewer there are, even where both sets come
from the same source (Chong and Forsyth, "Effectively Unbiased FID", CVPR 2020); frames of one clip are
so alike that they count for few. Such figures can be compared only with those of sets as large, cut from
the same clips. So a figure carries both numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from visavis.core.types import Floats, Picture

Doubles: TypeAlias = npt.NDArray[np.float64]

DIMENSIONS = 2048


class Features(Protocol):
    """What sees something in pictures: ``visavis.models.inception.predictor.InceptionFeatures``."""

    network: str
    dimensions: int

    def embed(self, pictures: Picture) -> Floats:
        """Features (B, D) of pictures (B, H, W, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class FrechetFigure:
    """A distance of two sets, and how much it is worth.

    Attributes:
        distance: Squared Frechet distance; NaN where a set has fewer than two pictures.
        real: Pictures of the one set.
        made: Of the other.
        dimensions: Of the features.
    """

    distance: float
    real: int
    made: int
    dimensions: int

    @property
    def has_full_rank(self) -> bool:
        """Whether either set has pictures enough for a covariance of full rank."""
        return min(self.real, self.made) > self.dimensions


class FeatureStatistics:
    """Mean and covariance of vectors that come little by little, in constant memory.

    As many vectors as they have dimensions are kept as they are, which is less than their covariance
    would be, and quicker to compare. Then sums about the mean are kept in double precision (Chan, Golub
    and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979), so
    that large means cost no digits.
    """

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self.dimensions = dimensions
        self._rows: list[Floats] = []
        # Of what is not in the rows any more.
        self._count = 0
        self._mean: Doubles = np.zeros(dimensions)
        self._scatter: Doubles | None = None

    @property
    def count(self) -> int:
        """How many vectors there were."""
        return self._count + len(self._rows)

    @property
    def mean(self) -> Doubles:
        """Of all, (D,); nothing is 0."""
        part = len(self._rows) / max(1, self.count)
        new = np.mean(self._rows, 0, np.float64) if self._rows else self._mean
        mean: Doubles = self._mean + part * (new - self._mean)
        return mean

    @property
    def covariance(self) -> Doubles:
        """Of all, (D, D), divided by their number less one; NaN where there are fewer than two."""
        if self._scatter is None:
            root = self.root
            return root @ root.T
        self._fold()
        covariance: Doubles = self._scatter / (self._count - 1)
        return covariance

    @property
    def root(self) -> Doubles:
        """R (D, K) with R R' = `covariance`."""
        if self._scatter is not None:
            return _root(self.covariance)
        if self.count < 2:
            return np.full((self.dimensions, 1), np.nan)
        root: Doubles = (np.stack(self._rows) - self.mean).T / np.sqrt(self.count - 1)
        return root

    def add(self, features: Floats) -> None:
        """Count vectors (B, D).

        Raises:
            ValueError: They have another length.
        """
        if features.ndim != 2 or features.shape[1] != self.dimensions:
            raise ValueError(f"vectors of {self.dimensions} were expected, not {features.shape}")
        for row in features:
            if len(self._rows) == self.dimensions:
                self._fold()
            self._rows.append(row.astype(np.float32))

    def merge(self, other: FeatureStatistics) -> None:
        """Count all vectors of another one, which is left as it was."""
        if other._scatter is not None:
            self._merge(other._count, other._mean, other._scatter)
        if other._rows:
            self.add(np.stack(other._rows))

    def _fold(self) -> None:
        """Bring the rows into the sums."""
        if self._rows:
            rows = np.stack(self._rows).astype(np.float64)
            mean: Doubles = rows.mean(0)
            apart = rows - mean
            self._merge(len(apart), mean, apart.T @ apart)
            self._rows = []

    def _merge(self, count: int, mean: Doubles, scatter: Doubles) -> None:
        total = self._count + count
        apart = mean - self._mean
        whole = np.outer(apart, apart * (self._count * count / total))
        whole += scatter
        if self._scatter is not None:
            whole += self._scatter
        self._scatter = whole
        self._mean = self._mean + apart * (count / total)
        self._count = total


class Fid:
    """FID of pictures that are shown one by one.

    Args:
        features: The network, which may be shared.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self.real = FeatureStatistics(features.dimensions)
        self.made = FeatureStatistics(features.dimensions)
        self.network = features.network
        """Which one it is, with the hash of its weights, for protocols."""

    def add(self, made: Picture, real: Picture) -> None:
        """Count a frame to either set, uint8 RGB (H, W, 3); they need not belong together."""
        self.add_made(made)
        self.add_real(real)

    def add_made(self, picture: Picture) -> None:
        """Count a frame that was made."""
        self.made.add(self._features.embed(picture[None]))

    def add_real(self, picture: Picture) -> None:
        """Count a real one."""
        self.real.add(self._features.embed(picture[None]))

    def figure(self) -> FrechetFigure:
        """The distance, with the numbers of pictures."""
        return compare(self.real, self.made)

    def value(self) -> float:
        """The distance alone."""
        return self.figure().distance


def compare(real: FeatureStatistics, made: FeatureStatistics) -> FrechetFigure:
    """The distance of two sets of vectors.

    Where either has more vectors than dimensions, this is seconds of work for 2048 of these.
    """
    distance = float("nan")
    if min(real.count, made.count) >= 2:
        distance = _distance(real.mean, real.root, made.mean, made.root)
    return FrechetFigure(distance, real.count, made.count, real.dimensions)


def frechet_distance(
    mean_1: Doubles, covariance_1: Doubles, mean_2: Doubles, covariance_2: Doubles
) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) of two Gaussians.

    Args:
        mean_1: float64 (D,).
        covariance_1: float64 (D, D), symmetric, no eigenvalue below 0.
        mean_2: Like ``mean_1``.
        covariance_2: Like ``covariance_1``.

    Returns:
        At least 0.
    """
    return _distance(mean_1, _root(covariance_1), mean_2, _root(covariance_2))


def _distance(mean_1: Doubles, root_1: Doubles, mean_2: Doubles, root_2: Doubles) -> float:
    # With S = R R', the trace of (S1 S2)^1/2 is the sum of the singular values of R1' R2. So both roots
    # are of symmetric matrices, which have them whatever their rank, and no number is ever complex.
    crossed = root_1.T @ root_2
    common = float(np.linalg.svd(crossed, compute_uv=False).sum()) if crossed.size else 0.0
    apart = float(((mean_1 - mean_2) ** 2).sum())
    spread = float((root_1**2).sum() + (root_2**2).sum())
    return max(0.0, apart + spread - 2 * common)


def _root(covariance: Doubles) -> Doubles:
    """R (D, K) with R R' = S, where S has rank K."""
    sizes, directions = np.linalg.eigh(covariance)
    # What is smaller than rounding is nothing; its root would not be small.
    kept = sizes > len(sizes) * np.finfo(np.float64).eps * max(float(sizes[-1]), 0.0)
    root: Doubles = directions[:, kept] * np.sqrt(sizes[kept])
    return root
