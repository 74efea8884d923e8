from __future__ import annotations

import numpy as np
import pytest

from visavis.evaluation.bradley_terry import fit_strengths, rank

# American League 1987 (Agresti, "Categorical Data Analysis", section 10.6): Milwaukee, Detroit,
# Toronto, New York, Boston, Cleveland, Baltimore; wins of the row over the column.
BASEBALL = np.array([
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
])  # fmt: skip
PUBLISHED = [1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0]
"""Logarithms against Baltimore's."""


def test_published_table() -> None:
    strength = fit_strengths(BASEBALL, prior=0)
    np.testing.assert_allclose(strength - strength[-1], PUBLISHED, atol=1e-3)
    assert strength.mean() == pytest.approx(0)


def test_expected_wins_give_their_strengths_back() -> None:
    true = np.array([4.0, 2.0, 1.0, 0.5])
    wins = 100 * true[:, None] / (true[:, None] + true[None, :])
    np.fill_diagonal(wins, 0)
    np.testing.assert_allclose(fit_strengths(wins, prior=0), np.log(true / 2**0.5), atol=1e-6)
    # Also where two never met, and many tables at once.
    wins[0, 3] = wins[3, 0] = 0
    both = fit_strengths(np.stack([wins, wins.T]), prior=0)
    np.testing.assert_allclose(both, [np.log(true / 2**0.5), -np.log(true / 2**0.5)], atol=1e-6)


def test_who_never_lost_is_finite_by_the_prior_only() -> None:
    wins = [[0, 5], [0, 0]]
    assert np.isnan(fit_strengths(wins, prior=0)).all()
    # The stationary point of the posterior, solved by hand: won + prior = games p / (p + q) + ...
    strong, weak = fit_strengths(wins, prior=0.5)
    p, q = np.exp(strong), np.exp(weak)
    assert p * q == pytest.approx(1)  # by symmetry
    assert pytest.approx(5 * p / (p + q) + p / (p + 1)) == 5.5


def test_ties_are_half_and_sides_do_not_matter() -> None:
    raters, items = [0, 0, 1, 1], [0, 1, 0, 1]
    tied = rank([0] * 4, [1] * 4, [0] * 4, raters, items, 2, draws=50)
    np.testing.assert_array_equal(tied.wins, [[0, 2], [2, 0]])
    np.testing.assert_allclose(tied.strength, 0, atol=1e-9)
    one = rank([0, 0, 1, 1], [1, 1, 0, 0], [-1, 1, 1, 1], raters, items, 2, prior=0, draws=50)
    np.testing.assert_array_equal(one.wins, [[0, 3], [1, 0]])
    np.testing.assert_allclose(one.strength, np.array([1, -1]) * np.log(3) / 2)
    assert list(one.order) == [0, 1]


def test_intervals_hold_the_truth_and_shrink() -> None:
    rng = np.random.default_rng(1)
    true = np.log([3.0, 1.5, 0.6])
    true -= true.mean()

    def compare(people: int, things: int) -> tuple[float, int]:
        who, what = (x.ravel() for x in np.mgrid[:people, :things])
        first = rng.integers(0, 3, len(who))
        second = (first + rng.integers(1, 3, len(who))) % 3
        second_wins = rng.random(len(who)) < 1 / (1 + np.exp(true[first] - true[second]))
        found = rank(first, second, np.where(second_wins, 1, -1), who, what, 3, draws=200)
        held = (found.low <= true) & (true <= found.high)
        return float((found.high - found.low).mean()), int(held.sum())

    few = [compare(8, 8) for _ in range(12)]
    many = [compare(24, 24) for _ in range(4)]
    assert np.mean([width for width, _ in many]) < 0.6 * np.mean([width for width, _ in few])
    assert sum(held for _, held in few + many) >= 0.85 * 3 * 16


def test_one_rater_has_no_interval() -> None:
    found = rank([0, 0, 0], [1, 1, 1], [1, 1, -1], [7, 7, 7], [0, 1, 2], 2)
    assert np.isfinite(found.strength).all()
    assert np.isnan([found.low, found.high]).all()
