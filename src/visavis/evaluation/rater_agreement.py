"""Krippendorff's alpha: how far raters agree beyond chance; 1 is wholly, 0 is chance, below 0 is worse.

Any number of raters, missing ratings allowed. Below 0.667 conclusions are tentative at best
(Krippendorff); of opinions that is common, and says how many raters a mean needs, not that it is wrong.

Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C to E.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Level: TypeAlias = Literal["nominal", "ordinal", "interval"]
"""What a distance of two values means: same or not; how many lie between; their difference."""


def krippendorff_alpha(ratings: npt.ArrayLike, level: Level) -> float:
    """Measure agreement.

    Args:
        ratings: (R, U), of R raters and U units, numbers; NaN where somebody did not rate.
        level: Of measurement.

    Returns:
        At most 1; NaN where no unit has two ratings, or all ratings are the same, so that nothing
        says whether the raters can tell units apart.
    """
    table = np.asarray(ratings, np.float64)
    values = np.unique(table[~np.isnan(table)])
    if not len(values):
        return float("nan")
    counts = np.stack([(table == value).sum(axis=0) for value in values], axis=1, dtype=np.float64)
    raters = counts.sum(axis=1)
    counts, raters = counts[raters >= 2], raters[raters >= 2]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    coincidences = (pairs / (raters - 1)[:, None, None]).sum(axis=0)
    totals = coincidences.sum(axis=1)
    distances = _distances(values, totals, level)
    expected = float((np.outer(totals, totals) * distances).sum())
    if not expected:
        return float("nan")
    observed = float((coincidences * distances).sum())
    return 1 - (float(totals.sum()) - 1) * observed / expected


def _distances(
    values: npt.NDArray[np.float64], totals: npt.NDArray[np.float64], level: Level
) -> npt.NDArray[np.float64]:
    """Squared distances of values, (V, V)."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "ordinal":
        # Ranks' middles: the sum of what lies between, with half of both ends.
        values = np.cumsum(totals) - totals / 2
    squared: npt.NDArray[np.float64] = (values[:, None] - values[None, :]) ** 2
    return squared
