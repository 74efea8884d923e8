"""Ranking by pairs: strengths such that i beats j with probability s_i / (s_i + s_j).

A tie counts as half a win for both. Fitted by the MM algorithm, whose every step raises the
likelihood.

Sources: Bradley and Terry, "Rank analysis of incomplete block designs" (Biometrika 1952); Hunter, "MM
algorithms for generalized Bradley-Terry models" (Annals of Statistics 2004), section 2; the prior as
games against one more player, Caron and Doucet, "Efficient Bayesian inference for generalized
Bradley-Terry models" (2012), section 2.1, in its symmetric form.
Shapes: N comparisons of S systems, in D draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visavis.evaluation.opinion_scores import DRAWS, Indices, Numbers, draw_sums, find_interval

PRIOR = 0.5
"""Wins, and as many losses, of each system against one more that is in no table.

Without it a system that never lost would be infinitely strong, which a handful of pairs cannot say.
"""
_STEPS = 20_000
_NEAR = 1e-8
"""Of the logarithm's change in a step, where the fit ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Strengths of systems, natural logarithms whose mean is 0.

    Attributes:
        strength: (S,); 1.1 more than another is three wins of four.
        low: (S,), lower end of its 95 % interval; NaN with fewer than two raters or two items.
        high: (S,), the upper end.
        wins: (S, S), of the row's system over the column's, ties as half.
    """

    strength: Numbers
    low: Numbers
    high: Numbers
    wins: Numbers

    @property
    def order(self) -> Indices:
        """Systems from the strongest to the weakest, (S,)."""
        return np.argsort(-self.strength, kind="stable")


def rank(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    outcome: npt.ArrayLike,
    raters: npt.ArrayLike,
    items: npt.ArrayLike,
    system_count: int,
    *,
    prior: float = PRIOR,
    draws: int = DRAWS,
    seed: int = 0,
) -> Ranking:
    """Rank systems by comparisons, with intervals by bootstrap over raters and items.

    Args:
        first: int (N,), a system from 0.
        second: int (N,), another.
        outcome: (N,): above 0 where the second is better, below where the first is, 0 for a tie.
        raters: int (N,), who compared.
        items: int (N,), on what.
        system_count: S.
        prior: Of `fit_strengths`.
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    one, other, said = np.asarray(first), np.asarray(second), np.sign(np.asarray(outcome))
    rows = np.zeros((len(said), system_count, system_count))
    number = np.arange(len(said))
    rows[number, one, other] = (1 - said) / 2
    rows[number, other, one] = (1 + said) / 2
    wins: Numbers = rows.sum(axis=0)
    sums = draw_sums(
        rows.reshape(len(said), system_count**2), raters, items, draws=draws, seed=seed
    )
    if np.isnan(sums).any() or not system_count:
        low = high = np.full(system_count, np.nan)
    else:
        drawn = sums.reshape(draws, system_count, system_count)
        low, high = find_interval(fit_strengths(drawn, prior))
    return Ranking(fit_strengths(wins, prior), low, high, wins)


def fit_strengths(wins: npt.ArrayLike, prior: float = PRIOR) -> Numbers:
    """Find the strengths that make tables of wins most likely.

    Args:
        wins: (..., S, S), of the row's system over the column's; the diagonal is 0.
        prior: Wins and losses of each system against one more, so that all strengths are finite.
            With 0 it is plain maximum likelihood.

    Returns:
        (..., S), natural logarithms whose mean is 0. NaN throughout where the prior is 0 and the
        systems fall into two groups of which one never beat the other, for there is no maximum.
    """
    tables = np.asarray(wins, np.float64)
    shape, size = tables.shape[:-1], tables.shape[-1]
    logarithm = np.full((int(np.prod(shape[:-1])), size), np.nan)
    tables = tables.reshape(len(logarithm), size, size)
    if prior:
        # One more player, whose strength is fitted too: it is what ties loose groups together.
        tables = np.pad(tables, ((0, 0), (0, 1), (0, 1)), constant_values=prior)
        tables[:, -1, -1] = 0
    left = np.flatnonzero(_is_bounded(tables)) if size else np.zeros(0, np.intp)
    won, games = tables.sum(axis=2)[left], (tables + np.swapaxes(tables, 1, 2))[left]
    strength = np.ones(won.shape)
    for step in range(_STEPS):
        stepped = won / (games / (strength[:, :, None] + strength[:, None, :])).sum(axis=2)
        # Ratios are all that counts; strengths that wander off together would never settle.
        stepped /= np.exp(np.log(stepped).mean(axis=1, keepdims=True))
        moving = np.abs(np.log(stepped / strength)).max(axis=1) > _NEAR
        if step == _STEPS - 1:
            moving[:] = False
        logarithm[left[~moving]] = np.log(stepped[~moving, :size])
        left, won, games = left[moving], won[moving], games[moving]
        strength = stepped[moving]
        if not len(left):
            break
    centred: Numbers = logarithm - logarithm.mean(axis=1, keepdims=True)
    return centred.reshape(shape)


def _is_bounded(wins: Numbers) -> npt.NDArray[np.bool_]:
    """Whether each system can be reached from each by wins (Hunter, assumption 1), (D,)."""
    size = wins.shape[-1]
    reached = ((wins > 0) | np.eye(size, dtype=bool)).astype(np.int64)
    for _ in range(size.bit_length()):
        reached = np.minimum(reached @ reached, 1)
    answer: npt.NDArray[np.bool_] = np.asarray(reached.all(axis=(1, 2)))
    return answer
