"""Confidence intervals of a mean over clips.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: percentiles.
"""

from __future__ import annotations

import numpy as np

from visavis.core.types import Floats

DRAWS = 2000
LEVEL = 0.95
FEWEST = 3
"""Clips below which no interval is given."""


def mean_with_interval(
    values: Floats, weights: Floats | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of clips and the interval within which it would lie for other clips of the kind.

    Args:
        values: (N,) one for each clip; NaN does not count.
        weights: (N,) how much each counts; alike unless told.
        draws: How often clips are drawn again, with replacement.
        seed: Of these draws.

    Returns:
        Mean, and the lower and upper end of the 95 % interval; NaN where there are too few clips.
    """
    values = np.asarray(values, np.float64)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    counts = ~np.isnan(values) & (shares > 0)
    values, shares = values[counts], shares[counts]
    nan = float("nan")
    if not len(values):
        return nan, nan, nan
    mean = float(np.average(values, weights=shares))
    if len(values) < FEWEST:
        return mean, nan, nan
    drawn = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    means = (values[drawn] * shares[drawn]).sum(1) / shares[drawn].sum(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return mean, float(low), float(high)
