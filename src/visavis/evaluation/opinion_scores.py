"""Mean opinion scores: what raters gave each system, and how far that may be from what all would give.

Raters and items are both samples of many, and ratings of one rater, or of one item, hang together. So
an interval draws raters **and** items anew, each with replacement, and a rating counts as often as its
rater was drawn times as often as its item was (the pigeonhole bootstrap, which errs on the wide side).

Sources: absolute category rating and its labels, ITU-T P.800 annex B and P.910 section 7.1; the
bootstrap, Owen, "The pigeonhole bootstrap" (Annals of Applied Statistics 2007), section 4.
Shapes: N ratings of S systems, in D draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 2000
LEVEL = 0.95
"""Share of studies whose interval should hold what all raters would give."""

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class OpinionScores:
    """Of each system; NaN where there is nothing to say it by.

    Attributes:
        mean: (S,), in points.
        low: (S,), lower end of the mean's interval; NaN with fewer than two raters or two items.
        high: (S,), likewise the upper end.
        deviation: (S,), standard deviation of single ratings.
        count: int (S,), ratings.
        difference: (S, S), mean of the row's system less that of the column's.
        difference_low: (S, S), from the same draws, so that what strict raters take from both is not
            counted twice.
        difference_high: (S, S).
    """

    mean: Numbers
    low: Numbers
    high: Numbers
    deviation: Numbers
    count: Indices
    difference: Numbers
    difference_low: Numbers
    difference_high: Numbers


def measure_opinion(
    scores: npt.ArrayLike,
    raters: npt.ArrayLike,
    items: npt.ArrayLike,
    systems: npt.ArrayLike,
    system_count: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> OpinionScores:
    """Average the ratings of each system.

    Args:
        scores: (N,), points.
        raters: int (N,), who gave it; any numbers that tell them apart.
        items: int (N,), of what; likewise.
        systems: int (N,), made by which, from 0.
        system_count: S; a system may have no rating.
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    points = np.asarray(scores, np.float64)
    is_of = np.asarray(systems)[:, None] == np.arange(system_count)
    count = is_of.sum(axis=0)
    mean = divide((is_of * points[:, None]).sum(axis=0), count)
    squared = (is_of * (points[:, None] - mean) ** 2)[:, count > 0].sum(axis=0)
    deviation = np.full(system_count, np.nan)
    deviation[count > 0] = np.sqrt(divide(squared, count[count > 0] - 1))
    values = np.concatenate([is_of * points[:, None], is_of], axis=1, dtype=np.float64)
    sums = draw_sums(values, raters, items, draws=draws, seed=seed)
    means = divide(sums[:, :system_count], sums[:, system_count:])
    low, high = find_interval(means)
    differences = means[:, :, None] - means[:, None, :]
    difference_low, difference_high = find_interval(differences)
    return OpinionScores(
        mean=mean,
        low=low,
        high=high,
        deviation=deviation,
        count=count,
        difference=mean[:, None] - mean[None, :],
        difference_low=difference_low,
        difference_high=difference_high,
    )


def draw_sums(
    values: npt.ArrayLike,
    raters: npt.ArrayLike,
    items: npt.ArrayLike,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Numbers:
    """Add up rows as each draw of raters and items would have it.

    Args:
        values: (N, K), K at least 1; whatever is to be added up.
        raters: int (N,).
        items: int (N,).
        draws: D.
        seed: Of the draws; the same for the same raters and items whatever the values are.

    Returns:
        float64 (D, K); NaN throughout with fewer than two raters or two items, where drawing anew
        shows nothing of how they differ.
    """
    rows = np.asarray(values, np.float64)
    rater_names, by_rater = np.unique(np.asarray(raters), return_inverse=True)
    item_names, by_item = np.unique(np.asarray(items), return_inverse=True)
    people, things = len(rater_names), len(item_names)
    if people < 2 or things < 2:
        return np.full((draws, rows.shape[1]), np.nan)
    table = np.zeros((people * things, rows.shape[1]))
    np.add.at(table, by_rater * things + by_item, rows)
    layers = table.T.reshape(-1, people, things)
    rng = np.random.default_rng(seed)
    of_raters = rng.multinomial(people, np.full(people, 1 / people), size=draws)
    of_items = rng.multinomial(things, np.full(things, 1 / things), size=draws)
    sums = [((of_raters @ layer) * of_items).sum(axis=1) for layer in layers]
    return np.stack(sums, axis=1)


def find_interval(drawn: Numbers, level: float = LEVEL) -> tuple[Numbers, Numbers]:
    """Return the two percentiles of (D, ...) that hold its middle; NaN where no draw says anything."""
    low, high = np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
    known = ~np.isnan(drawn).all(axis=0)
    if known.any():
        ends = 50 * (1 - level), 50 * (1 + level)
        low[known], high[known] = np.nanpercentile(drawn[:, known], ends, axis=0)
    return low, high


def divide(one: npt.ArrayLike, other: npt.ArrayLike) -> Numbers:
    """Divide; NaN where the divisor is not above 0."""
    above, below = np.asarray(one, np.float64), np.asarray(other, np.float64)
    whole = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=whole, where=below > 0)
    return whole
